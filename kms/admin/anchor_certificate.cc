#include "kms/admin/anchor_certificate.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::admin {

absl::StatusOr<x509::Certificate> ParseAnchorCertificate(BytesView file) {
  if (file.empty()) {
    return Refuse(v1::REQUEST_MALFORMED, "anchor: no certificate");
  }
  if (file.size() > kAnchorFileBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("anchor: ", file.size(), " bytes, want at most ",
                               kAnchorFileBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Certificate> certificates,
                       x509::ParseCertificates(file));
  if (certificates.size() != 1) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("anchor: ", certificates.size(),
                               " certificates, want one"));
  }
  const x509::Certificate& certificate = certificates[0];
  const bool may_sign =
      !certificate.key_usage().has_value() ||
      (*certificate.key_usage() & x509::kKeyUsageCertSign) != 0;
  if (!certificate.is_ca() || !may_sign) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "anchor: may not sign certificates, want a CA's");
  }
  // The pin vouches for the key, whatever the certificate says. The signature
  // shows that it is whole and that its subject has that key.
  if (!certificate.self_issued() ||
      !x509::VerifySignature(certificate.public_key(), certificate.scheme(),
                             certificate.tbs(), certificate.signature())
           .ok()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "anchor: not signed by itself, want a root");
  }
  return certificate;
}

}  // namespace kms::admin
