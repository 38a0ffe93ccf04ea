// Looks for 100 marked keys in everything kmsd leaves behind: its data
// directory, its logs, and the memory that a core dump would hold
// (threats.md I7, "canary scan"). None may be found, in any plain encoding.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/import_aad.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "tests/integration/kmsd_process.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr int kMarkedKeys = 100;
constexpr size_t kWindow = 12;  // Bytes of any encoding that betray a key.

constexpr char kPolicy[] = R"(name: guests
evidence:
  - {type: sev-snp, count: 1}
anchors: [simulated-snp-ark]
rules:
  - {id: any, expr: "!claims.cpu.debug", message: debug}
release: {lease: 1h}
)";

// Finds windows of marked keys, raw, reversed, in hex and in base64.
class Scanner {
 public:
  void Mark(const std::string& key) {
    AddWindows(key);
    AddWindows(std::string(key.rbegin(), key.rend()));
    AddWindows(absl::BytesToHexString(key));
    // Base64 looks different at each of three alignments.
    for (size_t skip = 0; skip < 3; ++skip) {
      AddWindows(absl::Base64Escape(key.substr(skip, 30 - 3 * skip)));
    }
  }

  // Where the first window of a marked key begins, or npos.
  size_t Find(absl::string_view data) const {
    for (size_t at = 0; at + kWindow <= data.size(); ++at) {
      uint64_t head;
      std::memcpy(&head, data.data() + at, sizeof(head));
      const auto found = windows_.find(head);
      if (found == windows_.end()) continue;
      for (const std::string& window : found->second) {
        if (data.substr(at, kWindow) == window) return at;
      }
    }
    return absl::string_view::npos;
  }

 private:
  // Every second window: a whole key anywhere is still met many times over.
  void AddWindows(const std::string& encoded) {
    for (size_t at = 0; at + kWindow <= encoded.size(); at += 2) {
      const std::string window = encoded.substr(at, kWindow);
      uint64_t head;
      std::memcpy(&head, window.data(), sizeof(head));
      windows_[head].push_back(window);
    }
  }

  absl::flat_hash_map<uint64_t, std::vector<std::string>> windows_;
};

// Calls `fn(name, bytes)` for each mapping of `pid` that a core dump would
// hold: readable, writable, and not marked "dd" (MADV_DONTDUMP).
template <typename Fn>
bool ForEachDumpedMapping(pid_t pid, Fn fn) {
  std::ifstream maps(absl::StrCat("/proc/", pid, "/smaps"));
  const int memory =
      open(absl::StrCat("/proc/", pid, "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (!maps || memory < 0) return false;
  std::string line;
  uint64_t begin = 0;
  uint64_t end = 0;
  bool writable = false;
  while (std::getline(maps, line)) {
    const std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    const std::vector<std::string> range = absl::StrSplit(words[0], '-');
    if (range.size() == 2 && words.size() >= 5 && words[1].size() == 4) {
      begin = std::stoull(range[0], nullptr, 16);
      end = std::stoull(range[1], nullptr, 16);
      writable = absl::StartsWith(words[1], "rw");
    } else if (words[0] == "VmFlags:" && writable &&
               !absl::StrContains(line, " dd")) {
      constexpr uint64_t kPiece = 1 << 20;
      for (uint64_t at = begin; at < end; at += kPiece) {
        // Pieces overlap, so that no window falls between two.
        std::string piece(std::min<uint64_t>(kPiece + kWindow, end - at), '\0');
        const ssize_t got =
            pread(memory, piece.data(), piece.size(), static_cast<off_t>(at));
        if (got <= 0) continue;  // Never touched, or a device.
        piece.resize(static_cast<size_t>(got));
        fn(absl::StrCat(absl::Hex(at)), piece);
      }
    }
  }
  close(memory);
  return true;
}

std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        std::chrono::seconds(20));
  return context;
}

absl::Status Import(v1::KeyService::Stub& keys, const std::string& name,
                    const std::string& material) {
  v1::ImportKey import_key;
  absl::Status status = client::FromGrpc(keys.GetImportKey(
      Context().get(), v1::GetImportKeyRequest(), &import_key));
  if (!status.ok()) return status;
  const auto sealed = crypto::HpkeSeal(
      static_cast<crypto::Kem>(import_key.kem_id()),
      AsBytes(import_key.public_key()), AsBytes(lifecycle::kImportInfo),
      AsBytes(
          lifecycle::ImportAad(import_key.import_key_id(), "default", name)),
      *Secret::CopyOf(AsBytes(material), GrantSecretAccess()));
  v1::CreateKeyRequest request;
  request.set_name(name);
  request.set_policy("guests");
  auto& sent = *request.mutable_material()->mutable_sealed();
  sent.set_import_key_id(import_key.import_key_id());
  sent.set_enc(sealed->enc);
  sent.set_ciphertext(sealed->ciphertext);
  v1::Key key;
  return client::FromGrpc(keys.CreateKey(Context().get(), request, &key));
}

// The scanner itself must be able to find a key.
TEST(Scanner, FindsAMarkedKeyInEveryEncoding) {
  const std::string key = crypto::RandomString(32);
  Scanner scanner;
  scanner.Mark(key);
  for (const std::string& encoded :
       {key, std::string(key.rbegin(), key.rend()), absl::BytesToHexString(key),
        absl::Base64Escape(key), absl::Base64Escape("x" + key),
        absl::Base64Escape("xy" + key), key.substr(0, 16), key.substr(16)}) {
    EXPECT_NE(scanner.Find(absl::StrCat("before", encoded, "after")),
              absl::string_view::npos);
  }
  EXPECT_EQ(scanner.Find(crypto::RandomString(10000)), absl::string_view::npos);
}

TEST(Secrets, NoMarkedKeyIsLeftOnDiskInLogsOrInACoreDump) {
  char folder[] = "/tmp/kms_secrets_test.XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const auto attester = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048,
       .not_before = absl::FromUnixSeconds(0),
       .not_after = absl::FromUnixSeconds(4102444800)});
  auto kmsd =
      *KmsdProcess::Create({.kmsd = "kms/server/kmsd", .directory = folder});
  ASSERT_TRUE(kmsd->Start().ok()) << kmsd->log();
  const auto pins = testing::SetUp(*kmsd, attester, "guests", kPolicy);
  ASSERT_TRUE(pins.ok()) << pins.status() << kmsd->log();

  // Each key comes in, and goes out, twice.
  const auto keys = v1::KeyService::NewStub(kmsd->AdminChannel());
  const loadgen::Workload workload(kmsd->WorkloadChannel(), attester, *pins);
  Scanner scanner;
  for (int i = 0; i < kMarkedKeys; ++i) {
    const std::string name = absl::StrCat("marked-", i);
    const std::string material = crypto::RandomString(32);
    scanner.Mark(material);
    const absl::Status imported = Import(*keys, name, material);
    ASSERT_TRUE(imported.ok()) << imported;
    for (int j = 0; j < 2; ++j) {
      const auto released = workload.Release(name);
      ASSERT_TRUE(released.ok()) << released.status();
      ASSERT_EQ(AsStringView(released->key.Expose(GrantSecretAccess())),
                material);
    }
  }

  // While it runs and holds every key it needs: what a core would hold.
  size_t bytes = 0;
  const bool readable = ForEachDumpedMapping(
      kmsd->pid(), [&](const std::string& at, const std::string& memory) {
        bytes += memory.size();
        EXPECT_EQ(scanner.Find(memory), absl::string_view::npos)
            << "a marked key in dumpable memory at " << at;
      });
  if (!readable) {
    std::printf("NOT RUN: this user may not read the memory of kmsd\n");
  }
  ASSERT_TRUE(kmsd->Terminate().ok());

  size_t files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string contents{std::istreambuf_iterator<char>(file),
                               std::istreambuf_iterator<char>()};
    EXPECT_EQ(scanner.Find(contents), absl::string_view::npos)
        << "a marked key in " << entry.path();
  }
  std::printf("scanned %zu files and %zu MiB of memory\n", files, bytes >> 20);
  EXPECT_GT(files, 5u);
}

}  // namespace
}  // namespace kms::testing
