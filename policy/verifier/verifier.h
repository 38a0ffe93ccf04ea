// VerifyBundle: Evidence in, Claims out. Picks the verifier of each piece's
// type, after the bounds that need no cryptography.
// Thread-safe: free functions. Pure: no I/O, no clock; time, anchors and
// collateral are arguments. VerifyBundle does not know what must be bound:
// the caller does, and asks CheckBinding.
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
// unknown role, or a role twice that may occur once. cert_chain, crl,
// ak_cert_chain, rim_driver, rim_vbios and ocsp_response may occur often.
absl::Status CheckBounds(const v1::EvidenceBundle& bundle);

// The Claims of all pieces together.
//   those of CheckBounds
//   EVIDENCE_UNSUPPORTED   a type without a verifier
//   EVIDENCE_MALFORMED     two CPU TEEs or two TPMs; an Azure type is both
//   EVIDENCE_INCONSISTENT  one GPU twice
//   those of the pieces' verifiers
absl::StatusOr<v1::Claims> VerifyBundle(const v1::EvidenceBundle& bundle,
                                        const VerifyInputs& inputs);

// How many bytes of report data a caller compares for Evidence of `type`; the
// rest must be zero. EVIDENCE_UNSUPPORTED for a type without a verifier.
absl::StatusOr<size_t> BoundBytes(v1::EvidenceType type);

// What one session's Evidence must carry. GPUs sign a value of their own, so
// that no part of one session's Evidence can pass for another part.
struct Binding {
  BytesView transcript;  // 64 bytes; each type takes the first BoundBytes.
  BytesView gpu_nonce;   // 32 bytes.
};

// OK if there is a CPU TEE or a TPM, and every part is bound: CPU and TPM to
// the first BoundBytes of the transcript followed by zeros to the end of
// their field, each GPU to the nonce. An Azure type's hardware report names
// its vTPM, so there the quote is what must be bound. EVIDENCE_NOT_BOUND
// otherwise.
absl::Status CheckBinding(const v1::Claims& claims, const Binding& want);

// The same without the GPUs, for who knows only what report data to expect.
absl::Status CheckReportData(const v1::Claims& claims, BytesView want);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_VERIFIER_H_
