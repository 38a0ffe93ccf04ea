#include "kms/weights/testing.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"

namespace kms::weights {

Secret TestKey(uint8_t first) {
  Secret key = Secret::Allocate(32).value();
  uint8_t next = first;
  for (uint8_t& byte : key.ExposeMutable(GrantSecretAccess())) byte = next++;
  return key;
}

KeyName TestKeyName() {
  return {.name_space = "default", .name = "llama-weights", .version = 3};
}

Expectation TestExpectation() {
  return {.name_space = "default",
          .name = "llama-weights",
          .version = 3,
          .artifact_digest = {}};
}

std::string TestContents(size_t size, uint32_t seed) {
  std::string contents;
  contents.reserve(size + 4);
  for (uint32_t i = seed; contents.size() < size; ++i) {
    const uint32_t word = i * 2654435761u;  // An odd factor: no word twice.
    for (int shift = 0; shift < 32; shift += 8) {
      contents.push_back(static_cast<char>(word >> shift & 0xff));
    }
  }
  contents.resize(size);
  return contents;
}

std::string FreshPath(absl::string_view name) {
  static int count = 0;
  const auto* const test =
      testing::UnitTest::GetInstance()->current_test_info();
  const std::string folder = absl::StrCat(testing::TempDir(), "/", test->name(),
                                          "-", getpid(), "-", count++);
  std::filesystem::create_directories(folder);
  return absl::StrCat(folder, "/", name);
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteWhole(const std::string& path, absl::string_view contents) {
  std::ofstream file(path, std::ios::binary);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  EXPECT_TRUE(file.flush().good()) << path;
}

bool Exists(const std::string& path) { return std::filesystem::exists(path); }

absl::StatusOr<Transferred> EncryptTestFile(const std::string& input,
                                            const std::string& output) {
  EncryptOptions options;
  options.segment_log2 = kTestSegmentLog2;
  return Encrypt(input, output, TestKey(), TestKeyName(), options);
}

std::string EncryptedTestFile(absl::string_view contents) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = input + ".kms";
  WriteWhole(input, contents);
  const auto done = EncryptTestFile(input, output);
  EXPECT_TRUE(done.ok()) << done.status();
  return output;
}

absl::StatusOr<Reader> OpenTestFile(const std::string& path,
                                    const Expectation& expected) {
  KMS_ASSIGN_OR_RETURN(UnverifiedFile file, UnverifiedFile::Open(path));
  return Reader::Create(std::move(file), TestKey(), expected);
}

}  // namespace kms::weights
