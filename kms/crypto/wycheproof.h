// Walks a Wycheproof vector file (beside the checkout; see shared_data.h).
// For tests only.
#ifndef KMS_CRYPTO_WYCHEPROOF_H_
#define KMS_CRYPTO_WYCHEPROOF_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/string_view.h"

namespace kms::crypto::wycheproof {

using Json = nlohmann::json;

// The decoded bytes of a hex field.
std::string Bytes(const Json& object, const char* field);

// True if one of the case's flags is `flag`.
bool HasFlag(const Json& test, absl::string_view flag);

using Covers = std::function<bool(const Json& group)>;
using Accepts = std::function<bool(const Json& group, const Json& test)>;

// Runs `accepts` on every case of the groups that `covers` holds for, and
// expects true for valid cases and false for invalid ones; `acceptable` decides
// what is expected of those that the file leaves open, if there are any.
// Prints how many cases ran; expects some, unless the file is absent.
void RunFile(const char* file, const Covers& covers, const Accepts& accepts,
             const Accepts& acceptable = nullptr);

}  // namespace kms::crypto::wycheproof

#endif  // KMS_CRYPTO_WYCHEPROOF_H_
