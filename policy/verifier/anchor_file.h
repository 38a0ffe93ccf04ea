// A trust anchor as an operator holds it: a root certificate, or a public key
// for Evidence whose signer has no certificate (an Arm CCA platform, a TPM's
// attestation key).
// Sources: RFC 5280 (certificate), RFC 7468 (PEM), RFC 7517 and 7518 section
// 6.2 (JSON Web Key).
// Thread-safe: a free function. Judges neither validity nor constraints.
#ifndef POLICY_VERIFIER_ANCHOR_FILE_H_
#define POLICY_VERIFIER_ANCHOR_FILE_H_

#include <optional>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::policy {

struct AnchorFile {
  crypto::PublicKey key;
  std::optional<x509::Certificate> certificate;
};

// `file`: exactly one certificate (DER or PEM), SubjectPublicKeyInfo (DER or
// PEM), or JSON Web Key on P-256 or P-384. kInvalidArgument otherwise.
absl::StatusOr<AnchorFile> ParseAnchorFile(BytesView file);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_ANCHOR_FILE_H_
