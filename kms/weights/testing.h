// What the tests of this folder share: keys, contents and whole files.
#ifndef KMS_WEIGHTS_TESTING_H_
#define KMS_WEIGHTS_TESTING_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/secret.h"
#include "kms/weights/format.h"
#include "kms/weights/reader.h"
#include "kms/weights/transfer.h"

namespace kms::weights {

inline constexpr uint8_t kTestSegmentLog2 = 16;
inline constexpr size_t kTestSegment = size_t{1} << kTestSegmentLog2;

// 32 bytes, counting up from `first`.
Secret TestKey(uint8_t first = 0);

// "default", "llama-weights", version 3; and just that, wanted.
KeyName TestKeyName();
Expectation TestExpectation();

// `size` bytes in which no two segments are alike.
std::string TestContents(size_t size, uint32_t seed = 0);

// A path in this test's own folder where nothing is.
std::string FreshPath(absl::string_view name);

std::string ReadWhole(const std::string& path);
void WriteWhole(const std::string& path, absl::string_view contents);
bool Exists(const std::string& path);

// Encrypts with TestKey and kTestSegment.
absl::StatusOr<Transferred> EncryptTestFile(const std::string& input,
                                            const std::string& output);
// The same, of these contents; the path of the encrypted file.
std::string EncryptedTestFile(absl::string_view contents);

// Opens with TestKey.
absl::StatusOr<Reader> OpenTestFile(
    const std::string& path, const Expectation& expected = TestExpectation());

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_TESTING_H_
