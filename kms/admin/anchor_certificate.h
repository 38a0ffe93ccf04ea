// The certificate of a trust anchor, as an administrator hands it in.
// Source: RFC 5280, sections 4.2.1.3 and 4.2.1.9.
// Thread-safe: free functions.
// Its validity period is not looked at: verifying a chain does that, as of the
// time of the Evidence.
#ifndef KMS_ADMIN_ANCHOR_CERTIFICATE_H_
#define KMS_ADMIN_ANCHOR_CERTIFICATE_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::admin {

inline constexpr size_t kAnchorFileBytesMax = size_t{16} << 10;

// `file`: one certificate, DER or PEM.
// REQUEST_MALFORMED: empty, several certificates, or not a self-signed CA
//   that may sign certificates.
// REQUEST_TOO_LARGE: over kAnchorFileBytesMax.
// ENDORSEMENT_MALFORMED: does not parse.
absl::StatusOr<x509::Certificate> ParseAnchorCertificate(BytesView file);

}  // namespace kms::admin

#endif  // KMS_ADMIN_ANCHOR_CERTIFICATE_H_
