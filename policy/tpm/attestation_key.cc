#include "policy/tpm/attestation_key.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/der.h"
#include "kms/crypto/x509/pem.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/limits.h"

namespace kms::tpm {
namespace {

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("tpm attestation key: ", fault));
}

absl::StatusOr<AttestationKey> FromSpki(BytesView der) {
  absl::StatusOr<crypto::PublicKey> key = crypto::PublicKey::FromSpki(der);
  if (!key.ok()) return Malformed("not a public key that we accept");
  // Part 2, TPMI_ALG_PUBLIC: no other kind of key is a TPM's.
  if (key->kind() != crypto::KeyKind::kRsa &&
      key->kind() != crypto::KeyKind::kP256 &&
      key->kind() != crypto::KeyKind::kP384) {
    return Malformed("neither RSA nor on P-256 or P-384");
  }
  return AttestationKey{*std::move(key), std::nullopt};
}

absl::StatusOr<AttestationKey> FromArea(BytesView bytes) {
  KMS_ASSIGN_OR_RETURN(PublicArea area, ParsePublicArea(bytes));
  KMS_RETURN_IF_ERROR(CheckAttestationKey(area));
  KMS_ASSIGN_OR_RETURN(crypto::PublicKey key, KeyOf(area));
  return AttestationKey{std::move(key), std::move(area)};
}

}  // namespace

absl::StatusOr<AttestationKey> ParseAttestationKey(BytesView file) {
  if (file.empty() || file.size() > kPublicKeyFileBytesMax) {
    return Malformed(absl::StrCat(file.size(), " bytes, want 1 to ",
                                  kPublicKeyFileBytesMax));
  }
  if (x509::LooksLikePem(file)) {
    const auto blocks = x509::ParsePem(file, "PUBLIC KEY", 1);
    if (!blocks.ok() || blocks->size() != 1) {
      return Malformed("PEM, but not of one public key");
    }
    return FromSpki(AsBytes(blocks->front()));
  }
  if (file[0] == x509::kDerSequence) return FromSpki(file);
  // The first u16 is TPM2B_PUBLIC's size or TPMT_PUBLIC's algorithm; no key is
  // so short that its size could be taken for one.
  ByteReader reader(file);
  const size_t size = reader.U16Be();
  if (size == kAlgRsa || size == kAlgEcc) return FromArea(file);
  if (size != reader.remaining()) return Malformed("of another length");
  return FromArea(reader.Bytes(size));
}

}  // namespace kms::tpm
