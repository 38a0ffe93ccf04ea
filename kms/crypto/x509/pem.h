// PEM (RFC 7468, strict form): "-----BEGIN X-----", base64 lines, END line.
// Thread-safe: free functions.
#ifndef KMS_CRYPTO_X509_PEM_H_
#define KMS_CRYPTO_X509_PEM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::x509 {

// True if `file` starts, after white space, like PEM and not like DER.
bool LooksLikePem(BytesView file);

// The contents of each block labelled `label` in `file`, which holds nothing
// else but white space. kInvalidArgument otherwise, or for more than `max`.
absl::StatusOr<std::vector<std::string>> ParsePem(BytesView file,
                                                  absl::string_view label,
                                                  size_t max);

std::string ToPem(BytesView der, absl::string_view label);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_PEM_H_
