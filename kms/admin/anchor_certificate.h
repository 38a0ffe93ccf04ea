// A trust anchor, as an administrator hands it in: a root certificate, or the
// public key of Evidence whose signer has none.
// Source: RFC 5280, sections 4.2.1.3 and 4.2.1.9;
// policy/verifier/anchor_file.h. Thread-safe: free functions. Its validity
// period is not looked at: verifying a chain does that, as of the time of the
// Evidence.
#ifndef KMS_ADMIN_ANCHOR_CERTIFICATE_H_
#define KMS_ADMIN_ANCHOR_CERTIFICATE_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/verifier/anchor_file.h"

namespace kms::admin {

inline constexpr size_t kAnchorFileBytesMax = size_t{16} << 10;

// `file`: one certificate or SubjectPublicKeyInfo, DER or PEM, or one JSON Web
// Key.
// REQUEST_MALFORMED: empty, several certificates, or one that is not a
//   self-signed CA's that may sign certificates.
// REQUEST_TOO_LARGE: over kAnchorFileBytesMax.
// ENDORSEMENT_MALFORMED: neither a certificate nor a key.
absl::StatusOr<policy::AnchorFile> ParseAnchor(BytesView file);

}  // namespace kms::admin

#endif  // KMS_ADMIN_ANCHOR_CERTIFICATE_H_
