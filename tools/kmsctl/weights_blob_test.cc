#include "tools/kmsctl/weights_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/crypto/signing_key.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/lifecycle/wrapping_key.h"
#include "tools/kmsctl/commands.h"
#include "tools/kmsctl/wrapping_key_file.h"

namespace {

// What the disk was asked for, in order.
std::vector<std::string>& Events() {
  static auto& events = *new std::vector<std::string>();
  return events;
}

}  // namespace

// In front of the C library's, whose work they leave to the system.
extern "C" int fsync(int fd) {
  const std::filesystem::path path =
      std::filesystem::read_symlink(absl::StrCat("/proc/self/fd/", fd));
  Events().push_back(std::filesystem::is_directory(path)
                         ? "sync folder"
                         : "sync " + path.filename().string());
  return static_cast<int>(syscall(SYS_fsync, fd));
}
extern "C" int renameat2(int from_folder, const char* from, int to_folder,
                         const char* to, unsigned flags) noexcept {
  Events().push_back(absl::StrCat("name ", to));
  return static_cast<int>(
      syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

namespace kms::kmsctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WeightsBlobTest : public ::testing::Test {
 protected:
  WeightsBlobTest() {
    const auto* const test =
        ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = absl::StrCat(::testing::TempDir(), test->name(), "-", getpid());
    std::filesystem::create_directory(folder_);
    key_.set_cluster_id(std::string(16, 'c'));
    key_.set_namespace_("team");
    key_.set_name("publishers");
    key_.set_key_id(std::string(16, 'k'));
    key_.set_version(3);
    key_.set_kem_id(0x20);
    key_.set_public_key(pair_.public_key);
    WriteKeyFile();
    Write("weights.bin", contents_);
  }

  std::string path(const std::string& name) const {
    return absl::StrCat(folder_, "/", name);
  }
  void Write(const std::string& name, const std::string& contents) const {
    std::ofstream(path(name), std::ios::binary) << contents;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool Exists(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
  void WriteKeyFile() const {
    const v1::SignedWrappingKey signed_key =
        lifecycle::SignWrappingKey(key_, identity_);
    Write("key.json", WrappingKeyJson(key_, signed_key).dump());
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"-o", "json", "--cluster", Hex(key_.cluster_id()),
                      "--identity", Hex(identity_.public_key())});
    std::istringstream in;
    std::ostringstream out, err;
    Context context(in, out, err);
    const int exit_code = RunCommand(std::move(arguments), context);
    out_ = out.str();
    err_ = err.str();
    return exit_code;
  }
  int Publish(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {
        "weights", "encrypt", path("weights.bin"), "--out",
        path("w"), "--to",    path("key.json")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(std::move(arguments));
  }
  // Decrypts `w` with `data_key`.
  int Decrypt(const Secret& data_key) {
    Write("data.key", ToString(data_key.Expose(GrantSecretAccess())));
    return Run({"weights", "decrypt", path("w"), "--out", path("back"),
                "--key-file", path("data.key"), "--namespace", "team", "--name",
                "publishers", "--version", "3"});
  }

  const std::string contents_ = std::string(300000, 'w');
  const crypto::Ed25519SigningKey identity_ =
      *crypto::Ed25519SigningKey::Generate();
  const crypto::HpkeKeyPair pair_ =
      *crypto::HpkeGenerateKeyPair(crypto::Kem::kX25519);
  std::string folder_;
  v1::WrappingKey key_;
  std::string out_, err_;
};

TEST_F(WeightsBlobTest, TheBlobHoldsTheKeyAndNamesVersionAndArtifact) {
  ASSERT_EQ(Publish(), 0) << err_;
  const auto printed = nlohmann::json::parse(out_);
  EXPECT_EQ(printed["blob"], path("w.blob"));
  EXPECT_EQ(printed["namespace"], "team");
  EXPECT_EQ(printed["key"], "publishers");
  EXPECT_EQ(printed["version"], 3);
  const auto blob = lifecycle::ParseBlob(AsBytes(Read("w.blob")));
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_TRUE(
      blob->header ==
      (lifecycle::BlobHeader{
          key_.cluster_id(), "team", key_.key_id(), 3, crypto::Kem::kX25519,
          *Unhex(printed["artifact_digest"].get<std::string>())}));
  const auto data_key = lifecycle::OpenBlob(*blob, pair_.private_key);
  ASSERT_TRUE(data_key.ok()) << data_key.status();
  EXPECT_EQ(Decrypt(*data_key), 0) << err_;
  EXPECT_EQ(Read("back"), contents_);
  for (const char* command : {"inspect", "verify"}) {
    std::vector<std::string> arguments = {"weights", command, path("w")};
    if (command == absl::string_view("verify")) {
      arguments.insert(arguments.end(),
                       {"--artifact", Hex(blob->header.artifact_digest)});
    }
    EXPECT_EQ(Run(arguments), 0) << err_;
    EXPECT_EQ(nlohmann::json::parse(out_)["namespace"], "team");
    EXPECT_EQ(nlohmann::json::parse(out_)["key"], "publishers");
    EXPECT_EQ(nlohmann::json::parse(out_)["version"], 3);
  }
}

// Cut at any event, there is no `w` without its blob, and what stands under
// either name is whole.
TEST_F(WeightsBlobTest, TheBlobIsOnTheDiskBeforeTheFileHasItsName) {
  Events().clear();
  ASSERT_EQ(Publish(), 0) << err_;
  EXPECT_THAT(Events(), ElementsAre("sync w.kms-partial",
                                    "sync w.blob.kms-partial", "name w.blob",
                                    "sync folder", "name w", "sync folder"));
}

TEST_F(WeightsBlobTest, AGivenDataKeyIsTheOneInTheBlob) {
  const Secret given = *crypto::RandomSecret(64);
  Write("given.key", ToString(given.Expose(GrantSecretAccess())));
  ASSERT_EQ(Publish({"--key-file", path("given.key")}), 0) << err_;
  const auto blob = lifecycle::ParseBlob(AsBytes(Read("w.blob")));
  ASSERT_TRUE(blob.ok()) << blob.status();
  EXPECT_TRUE(*lifecycle::OpenBlob(*blob, pair_.private_key) == given);
  EXPECT_EQ(Decrypt(given), 0) << err_;
}

TEST_F(WeightsBlobTest, EachPublicationHasADataKeyOfItsOwn) {
  ASSERT_EQ(Publish(), 0) << err_;
  const auto first = lifecycle::ParseBlob(AsBytes(Read("w.blob")));
  std::filesystem::remove(path("w"));
  std::filesystem::remove(path("w.blob"));
  ASSERT_EQ(Publish(), 0) << err_;
  const auto second = lifecycle::ParseBlob(AsBytes(Read("w.blob")));
  EXPECT_FALSE(*lifecycle::OpenBlob(*first, pair_.private_key) ==
               *lifecycle::OpenBlob(*second, pair_.private_key));
}

TEST_F(WeightsBlobTest, NeitherAFileNorABlobIsReplaced) {
  Write("w.blob", "another file's only key");
  EXPECT_EQ(Publish(), 1);
  EXPECT_THAT(err_, HasSubstr("ALREADY_EXISTS"));
  EXPECT_THAT(err_, HasSubstr("\nnext: choose another --out"));
  EXPECT_EQ(Read("w.blob"), "another file's only key");
  EXPECT_FALSE(Exists("w"));
  std::filesystem::remove(path("w.blob"));
  Write("w", "another file");
  EXPECT_EQ(Publish(), 1);
  EXPECT_EQ(Read("w"), "another file");
  EXPECT_FALSE(Exists("w.blob"));
  EXPECT_EQ(Publish({"--force"}), 2);
}

TEST_F(WeightsBlobTest, WhatTheBlobWouldBeRefusedForIsRefusedFirst) {
  Write("large.key", std::string(1025, 'k'));
  EXPECT_EQ(Publish({"--key-file", path("large.key")}), 3);
  EXPECT_THAT(err_, HasSubstr("BLOB_MALFORMED"));
  key_.set_artifact_digest(std::string(32, 'a'));
  WriteKeyFile();
  EXPECT_EQ(Publish(), 3);
  EXPECT_THAT(err_, HasSubstr("ARTIFACT_MISMATCH"));
  key_.clear_artifact_digest();
  key_.set_cluster_id(std::string(16, 'd'));
  WriteKeyFile();
  key_.set_cluster_id(std::string(16, 'c'));
  EXPECT_EQ(Publish(), 5);
  for (const char* name :
       {"w", "w.blob", "w.kms-partial", "w.blob.kms-partial"}) {
    EXPECT_FALSE(Exists(name)) << name << " was left";
  }
}

TEST_F(WeightsBlobTest, TheWrappingKeyNamesTheKeyAndNothingElseDoes) {
  EXPECT_EQ(Publish({"--name", "publishers"}), 2);
  EXPECT_EQ(Publish({"--version", "3"}), 2);
  EXPECT_EQ(Publish({"--namespace", "team"}), 2);
  EXPECT_EQ(
      Run({"weights", "encrypt", path("weights.bin"), "--out", path("w")}), 2);
  EXPECT_THAT(err_, HasSubstr("want --to, or --key-file, --name"));
  EXPECT_FALSE(Exists("w"));
}

}  // namespace
}  // namespace kms::kmsctl
