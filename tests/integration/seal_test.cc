// One instance whose root key moves from custodians to a PKCS#11 token to a
// TPM, all real (softhsm2, swtpm), by the shipped programs; killed in between;
// and what each says when it will not give the root key back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "kms/base/refusal.h"
#include "kms/seal/pkcs11/testing.h"
#include "tests/integration/kmsd_process.h"
#include "tests/integration/shell.h"
#include "tests/integration/swtpm_process.h"

namespace kms::testing {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

class SealTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = MakeFolder();
    machine_ = MakeFolder();
    seal::UseSoftHsm(machine_);  // For kmsd, too: it inherits this.
    ASSERT_TRUE(seal::MakeToken("kms", "1234"));
    WritePin("1234");
  }
  void TearDown() override {
    kmsd_.reset();
    tpm_.reset();
    RunShell(absl::StrCat("rm -rf '", folder_, "' '", machine_, "'"));
  }

  void StartTpm() {
    auto tpm = SwtpmProcess::Start(machine_);
    ASSERT_TRUE(tpm.ok()) << tpm.status();
    tpm_ = *std::move(tpm);
  }
  void WritePin(const std::string& pin) {
    RunShell(absl::StrCat("umask 077; echo '", pin, "' >", machine_, "/pin"));
  }

  std::string Token(const std::string& before = "") const {
    return absl::StrCat("{kind: pkcs11, pkcs11: {module: ", seal::kSoftHsm,
                        ", token: kms, pin_file: ", machine_,
                        "/pin, key: kms-root}", before, "}");
  }
  std::string Tpm(const std::string& before = "") const {
    return absl::StrCat("{kind: tpm, tpm: {tcti: \"swtpm:path=",
                        tpm_->path("tpm"), "\", pcrs: [7, 16]}", before, "}");
  }
  static std::string Before(const std::string& seal) {
    return absl::StrCat(", before: ", seal);
  }

  void Create(const std::string& seal) {
    KmsdOptions options;
    options.kmsd = "kms/server/kmsd";
    options.directory = folder_;
    options.simulated_anchors = {};
    options.seal = seal;
    auto kmsd = KmsdProcess::Create(options);
    ASSERT_TRUE(kmsd.ok()) << kmsd.status();
    kmsd_ = *std::move(kmsd);
    ASSERT_TRUE(kmsd_->Start().ok()) << kmsd_->log();
  }

  // kill -9, another configuration, and up again.
  void RestartWith(const std::string& seal) {
    kmsd_->Kill();
    std::istringstream lines(ReadFile(kmsd_->path("kmsd.yaml")));
    std::string config;
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("seal: ", 0) == 0) line = absl::StrCat("seal: ", seal);
      absl::StrAppend(&config, line, "\n");
    }
    WriteFile(kmsd_->path("kmsd.yaml"), config);
    const absl::Status started = kmsd_->Start();
    ASSERT_TRUE(started.ok()) << started << kmsd_->log();
  }

  CommandResult Kmsctl(const std::string& arguments) const {
    return RunShell(absl::StrCat(
        "KMS_ADDRESS=", kmsd_->address(), " KMS_CA=", kmsd_->path("ca.pem"),
        " KMS_CERT=", kmsd_->path("admin.pem"),
        " KMS_KEY=", kmsd_->path("admin.key"), " tools/kmsctl/kmsctl ",
        arguments, " </dev/null"));
  }
  void Administer(const std::string& arguments) const {
    const CommandResult result = Kmsctl(arguments);
    EXPECT_EQ(result.exit_code, 0)
        << arguments << ": " << result.output << kmsd_->log();
  }
  // What follows `label` on its line, for each line that has it.
  static std::vector<std::string> Values(const std::string& output,
                                         const std::string& label) {
    std::vector<std::string> values;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
      const size_t at = line.find(label);
      if (at != std::string::npos) {
        values.push_back(line.substr(at + label.size()));
      }
    }
    return values;
  }
  void GiveShare(const std::string& command, const std::string& share) {
    WriteFile(machine_ + "/share", share);
    Administer(absl::StrCat(command, " --share-file ", machine_, "/share"));
  }

  // Unsealed by nobody, with the key that was made at the beginning.
  void ExpectServing(const std::string& kind) const {
    const absl::Status serving = kmsd_->AwaitServing();
    ASSERT_TRUE(serving.ok()) << serving;
    EXPECT_EQ(kmsd_->GetStatus()->seal().kind(), kind);
    Administer("key get weights");
  }
  // Sealed, and saying why: in its status, and to whoever unseals.
  void ExpectSealed(v1::RefusalCode code, const std::string& why) const {
    const absl::Time give_up = absl::Now() + kPatience;
    std::string problem;
    while (problem.empty() && absl::Now() < give_up) {
      const auto status = kmsd_->GetStatus();
      ASSERT_TRUE(status.ok()) << status.status();
      ASSERT_TRUE(status->seal().sealed());
      problem = status->seal().problem();
    }
    EXPECT_EQ(problem, RefusalName(code));
    const CommandResult unseal = Kmsctl("unseal");
    EXPECT_NE(unseal.exit_code, 0);
    EXPECT_THAT(unseal.output, HasSubstr(RefusalName(code)));
    EXPECT_THAT(unseal.output, HasSubstr(why));
  }

  std::string folder_, machine_;
  std::unique_ptr<SwtpmProcess> tpm_;
  std::unique_ptr<KmsdProcess> kmsd_;
};

TEST_F(SealTest, ATokenUnsealsAfterEachStartAndSaysWhyItDoesNot) {
  Create(Token());
  const CommandResult init = Kmsctl("init");
  ASSERT_EQ(init.exit_code, 0) << init.output;
  EXPECT_EQ(init.output.find("share"), std::string::npos);
  Administer("key create weights");
  RestartWith(Token());
  ExpectServing("pkcs11");

  WritePin("4321");
  RestartWith(Token());
  ExpectSealed(v1::SEAL_PIN_REJECTED, "the PIN in pin_file");
  WritePin("1234");
  Administer("unseal");
  ExpectServing("pkcs11");

  RestartWith(absl::StrReplaceAll(Token(), {{"libsofthsm2.so", "libnone.so"}}));
  ExpectSealed(v1::SEAL_UNAVAILABLE, "pkcs11 module: does not load");
  RestartWith(absl::StrReplaceAll(Token(), {{"key: kms-root", "key: other"}}));
  ExpectSealed(v1::SEAL_KEY_REJECTED, "no AES key has the configured label");
  // A new root key under the same token's same key, while it serves.
  RestartWith(Token());
  ExpectServing("pkcs11");
  Administer("seal rekey");
  RestartWith(Token());
  ExpectServing("pkcs11");
}

TEST_F(SealTest, TheRootKeyMovesFromCustodiansToATokenToATpm) {
  StartTpm();
  Create("{kind: shamir}");
  const CommandResult init = Kmsctl("init --shares 3 --threshold 2");
  ASSERT_EQ(init.exit_code, 0) << init.output;
  std::vector<std::string> shares;
  for (int i = 1; i <= 3; ++i) {
    const auto share = Values(init.output, absl::StrCat("share ", i, ": "));
    ASSERT_EQ(share.size(), 1u) << init.output;
    shares.push_back(share[0]);
  }
  Administer("key create weights");
  EXPECT_EQ(Kmsctl("seal migrate").exit_code, 2);  // Nowhere to go.

  RestartWith(Token(Before("{kind: shamir}")));
  GiveShare("unseal", shares[0]);
  GiveShare("unseal", shares[2]);
  const CommandResult begun = Kmsctl("seal migrate");
  ASSERT_EQ(begun.exit_code, 0) << begun.output;
  const auto id = Values(begun.output, "--rekey ");
  ASSERT_EQ(id.size(), 1u) << begun.output;
  const std::string give = absl::StrCat("seal rekey-share --rekey ", id[0]);
  GiveShare(give, shares[1]);
  EXPECT_EQ(kmsd_->GetStatus()->seal().kind(), "shamir");
  GiveShare(give, shares[0]);
  RestartWith(Token());
  ExpectServing("pkcs11");

  // The token's part is without a custodian: it is done at once.
  RestartWith(Tpm(Before(Token())));
  ExpectServing("pkcs11");
  Administer("seal migrate");
  EXPECT_EQ(kmsd_->GetStatus()->seal().kind(), "tpm");
  RestartWith(Tpm());
  ExpectServing("tpm");
  // The token has nothing of it any more.
  EXPECT_THAT(Kmsctl("audit list").output, HasSubstr("rekeyed"));

  // Somebody boots something else.
  const absl::Status extended =
      tpm_->Run(absl::StrCat("tpm2_pcrextend 7:sha256=", std::string(64, 'b')));
  ASSERT_TRUE(extended.ok()) << extended;
  RestartWith(Tpm());
  ExpectSealed(v1::SEAL_PCRS_CHANGED, "PCR 7 changed");
  tpm_.reset();
  const CommandResult gone = Kmsctl("unseal");
  EXPECT_THAT(gone.output, HasSubstr(RefusalName(v1::SEAL_UNAVAILABLE)));
}

TEST_F(SealTest, CustodiansGetNewShares) {
  Create("{kind: shamir}");
  const CommandResult init = Kmsctl("init --shares 1 --threshold 1");
  ASSERT_EQ(init.exit_code, 0) << init.output;
  const auto old_share = Values(init.output, "share 1: ");
  ASSERT_EQ(old_share.size(), 1u);
  Administer("key create weights");
  const CommandResult begun = Kmsctl("seal rekey --shares 3 --threshold 2");
  ASSERT_EQ(begun.exit_code, 0) << begun.output;
  const std::string give = absl::StrCat("seal rekey-share --rekey ",
                                        Values(begun.output, "--rekey ")[0]);
  WriteFile(machine_ + "/share", old_share[0]);
  const CommandResult agreed =
      Kmsctl(absl::StrCat(give, " --share-file ", machine_, "/share"));
  ASSERT_EQ(agreed.exit_code, 0) << agreed.output;
  std::vector<std::string> shares;
  for (int i = 1; i <= 3; ++i) {
    const auto share =
        Values(agreed.output, absl::StrCat("new share ", i, ": "));
    ASSERT_EQ(share.size(), 1u) << agreed.output;
    shares.push_back(share[0]);
  }
  GiveShare(give, shares[0]);
  GiveShare(give, shares[1]);
  RestartWith("{kind: shamir}");
  WriteFile(machine_ + "/share", old_share[0]);
  const CommandResult refused =
      Kmsctl(absl::StrCat("unseal --share-file ", machine_, "/share"));
  EXPECT_THAT(refused.output, HasSubstr("SHARE_REJECTED"));
  GiveShare("unseal", shares[2]);
  GiveShare("unseal", shares[0]);
  ExpectServing("shamir");
}

}  // namespace
}  // namespace kms::testing
