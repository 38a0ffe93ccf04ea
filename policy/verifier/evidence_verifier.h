// What a verifier of one type of Evidence is given, and gives.
// Implementations are thread-safe, pure functions of their arguments: no I/O,
// no clock, no state but what the caller's cache holds.
#ifndef POLICY_VERIFIER_EVIDENCE_VERIFIER_H_
#define POLICY_VERIFIER_EVIDENCE_VERIFIER_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/verifier/anchors.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/verified_cache.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// References outlive the call.
struct VerifyInputs {
  // When certificates, CRLs and collateral must be in force.
  absl::Time now;
  const TrustAnchors& anchors;
  // May be null: only what comes with the Evidence then.
  const Collateral* collateral = nullptr;
  // May be null.
  VerifiedCache* cache = nullptr;
};

class EvidenceVerifier {
 public:
  virtual ~EvidenceVerifier() = default;

  virtual v1::EvidenceType type() const = 0;

  // How many bytes of report data, or of a nonce, the caller must compare with
  // what it wants bound; all the rest must be zero. At least 32.
  virtual size_t bound_bytes() const = 0;

  // `evidence` is of type() and within verifier.h's bounds. Claims of this
  // piece alone, with everything but the binding verified: one of cpu, tpm or
  // gpus, or both halves of an Azure type, and the collateral it stood on. Or
  // a refusal (refusal.proto, 20 to 49).
  virtual absl::StatusOr<v1::Claims> Verify(
      const v1::Evidence& evidence, const VerifyInputs& inputs) const = 0;
};

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_EVIDENCE_VERIFIER_H_
