#include "policy/nitro/verify.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/nitro/limits.h"

namespace kms::nitro {
namespace {

absl::Status Mismatch(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("nitro document: ", fault));
}
absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT,
                absl::StrCat("nitro document: ", fault));
}

// Section 3.2.3: "An Attestation Document will always have its CA bundle in a
// well established order", root first. So there is nothing in it that the
// chain did not need.
absl::Status CheckCaBundle(const UnverifiedDocument& document,
                           const x509::VerifiedChain& chain) {
  const size_t size = document.cabundle.size();
  bool same = chain.path.size() == size + 1;
  for (size_t i = 0; same && i < size; ++i) {
    same = chain.path[size - i].der() == document.cabundle[i];
  }
  return same ? absl::OkStatus()
              : Mismatch("cabundle is not the certificate's chain, root first");
}

// AWS does not spell this out; in every document the enclave's certificate is
// for "<module_id>.<region>.aws". One certificate, one enclave: its key signs
// for no other.
absl::Status CheckModule(const UnverifiedDocument& document,
                         const x509::Certificate& leaf) {
  const std::string prefix = absl::StrCat(document.module_id, ".");
  return absl::StartsWith(leaf.SubjectCommonName(), prefix)
             ? absl::OkStatus()
             : Mismatch("the certificate is for another module");
}

absl::Status CheckTimestamp(const UnverifiedDocument& document,
                            const x509::Certificate& leaf, absl::Time now) {
  const absl::Time made = absl::FromUnixMillis(document.timestamp_ms);
  if (made < leaf.not_before() || made > leaf.not_after()) {
    return Inconsistent("made when its certificate was not in force");
  }
  if (made > now + kClockSkewMax) return Inconsistent("made in the future");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifiedDocument> VerifyDocument(
    const cbor::Sign1& envelope, UnverifiedDocument document,
    const x509::VerifiedChain& chain, absl::Time now) {
  const x509::Certificate& leaf = chain.path[0];
  if (leaf.public_key().kind() != crypto::KeyKind::kP384) {
    return Mismatch("the certificate's key is not on P-384");
  }
  if (!cbor::VerifySign1(envelope, leaf.public_key()).ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "nitro document: not signed by its certificate's key");
  }
  KMS_RETURN_IF_ERROR(CheckCaBundle(document, chain));
  KMS_RETURN_IF_ERROR(CheckModule(document, leaf));
  KMS_RETURN_IF_ERROR(CheckTimestamp(document, leaf, now));
  return VerifiedDocument(std::move(document));
}

}  // namespace kms::nitro
