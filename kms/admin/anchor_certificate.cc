#include "kms/admin/anchor_certificate.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::admin {

namespace {

// The pin vouches for the key, whatever the certificate says. What is asked of
// it here shows that the administrator took the right file: a root.
absl::Status CheckRoot(const x509::Certificate& certificate) {
  const bool may_sign =
      !certificate.key_usage().has_value() ||
      (*certificate.key_usage() & x509::kKeyUsageCertSign) != 0;
  if (!certificate.is_ca() || !may_sign) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "anchor: may not sign certificates, want a CA's");
  }
  if (!certificate.self_issued() ||
      !x509::VerifySignature(certificate.public_key(), certificate.scheme(),
                             certificate.tbs(), certificate.signature())
           .ok()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "anchor: not signed by itself, want a root");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<policy::AnchorFile> ParseAnchor(BytesView file) {
  if (file.empty()) {
    return Refuse(v1::REQUEST_MALFORMED, "anchor: no certificate and no key");
  }
  if (file.size() > kAnchorFileBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("anchor: ", file.size(), " bytes, want at most ",
                               kAnchorFileBytesMax));
  }
  if (const auto certificates = x509::ParseCertificates(file);
      certificates.ok() && certificates->size() != 1) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("anchor: ", certificates->size(),
                               " certificates, want one"));
  }
  absl::StatusOr<policy::AnchorFile> anchor = policy::ParseAnchorFile(file);
  if (!anchor.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, anchor.status().message());
  }
  if (anchor->certificate.has_value()) {
    KMS_RETURN_IF_ERROR(CheckRoot(*anchor->certificate));
  }
  return anchor;
}

}  // namespace kms::admin
