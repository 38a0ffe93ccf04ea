// VerifyBundle: Evidence in, Claims out. Picks the verifier of each piece's
// type, after the bounds that need no cryptography.
// Thread-safe: free functions. Pure: no I/O, no clock; time, anchors and
// collateral are arguments. Does not compare report data: the caller does,
// over BoundBytes bytes.
#ifndef POLICY_VERIFIER_VERIFIER_H_
#define POLICY_VERIFIER_VERIFIER_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// proto/kms/v1/evidence.proto states these bounds to clients.
inline constexpr int kEvidencePiecesMax = 32;  // Eight GPUs, four switches.
inline constexpr int kEvidenceFilesMax = 32;
inline constexpr size_t kEvidenceFileBytesMax = 1024 * 1024;
inline constexpr size_t kEvidenceBundleBytesMax = 4 * 1024 * 1024;

// "sev-snp" for SEV_SNP, as bundle.json has it; empty for unspecified.
absl::string_view EvidenceTypeName(v1::EvidenceType type);
// EVIDENCE_TYPE_UNSPECIFIED for a name that is none.
v1::EvidenceType EvidenceTypeNamed(absl::string_view name);

bool IsEvidenceRole(absl::string_view role);

// REQUEST_TOO_LARGE over a bound; EVIDENCE_MALFORMED for no evidence, an
// unknown role, or a role twice that may occur once. cert_chain, crl and the
// GPU's rim_driver and rim_vbios may occur several times.
absl::Status CheckBounds(const v1::EvidenceBundle& bundle);

// The refusals of CheckBounds, EVIDENCE_UNSUPPORTED for a type without a
// verifier, EVIDENCE_MALFORMED unless exactly one piece is of a CPU type, and
// those of the piece's verifier.
absl::StatusOr<v1::Claims> VerifyBundle(const v1::EvidenceBundle& bundle,
                                        const VerifyInputs& inputs);

// How many bytes of report data a caller compares for Evidence of `type`; the
// rest must be zero. EVIDENCE_UNSUPPORTED for a type without a verifier.
absl::StatusOr<size_t> BoundBytes(v1::EvidenceType type);

// OK if the claims' report data is `want` followed by zeros to its end, and
// `want` is exactly BoundBytes long. EVIDENCE_NOT_BOUND otherwise.
absl::Status CheckBinding(const v1::Claims& claims, BytesView want);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_VERIFIER_H_
