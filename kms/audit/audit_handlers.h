// AuditService (proto/kms/v1/audit.proto) without gRPC: the Merkle log for
// those who check it. What it hands out can be verified with nothing but the
// cluster's identity key: see kms/crypto/merkle.h and note.h.
//
// Every call first refuses with
//   SEALED                  the instance is sealed
//   ADMINISTRATOR_REQUIRED  the caller is not an administrator
// and passes on
//   DATA_LOSS               a stored leaf or node does not authenticate
// Thread-safe. Answers from this instance's applied state: an instance that
// lags answers with an older, but true, tree.
#ifndef KMS_AUDIT_AUDIT_HANDLERS_H_
#define KMS_AUDIT_AUDIT_HANDLERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/caller.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/audit.pb.h"

namespace kms::audit {

inline constexpr uint32_t kEntriesDefault = 100;
inline constexpr uint32_t kEntriesMax = 1000;
// Leaves in one answer; a gRPC message is at most 4 MiB and a bit.
inline constexpr size_t kEntriesBytesMax = size_t{4} << 20;

class AuditHandlers {
 public:
  // Both outlive the handlers. `signer` is the one of this process, so that no
  // two of its parts sign a fork.
  AuditHandlers(const InstanceHolder& holder, const CheckpointSigner& signer)
      : holder_(holder), signer_(signer) {}

  // DATA_LOSS: see CheckpointSigner::Sign.
  absl::StatusOr<v1::Checkpoint> GetCheckpoint(
      const Caller& caller, const v1::GetCheckpointRequest& request) const;

  // From `start` on, as many as were asked for and fit; none if `start` is
  // just past the last.
  // REQUEST_TOO_LARGE: more than kEntriesMax. NOT_FOUND: `start` is beyond
  // the log.
  absl::StatusOr<v1::ListEntriesResponse> ListEntries(
      const Caller& caller, const v1::ListEntriesRequest& request) const;

  // REQUEST_MALFORMED: the leaf is not in a tree of that size.
  // NOT_FOUND: the log is not that long.
  absl::StatusOr<v1::InclusionProof> GetInclusionProof(
      const Caller& caller, const v1::GetInclusionProofRequest& request) const;

  // REQUEST_MALFORMED: first_size is 0, or over second_size.
  // NOT_FOUND: the log is not that long.
  absl::StatusOr<v1::ConsistencyProof> GetConsistencyProof(
      const Caller& caller,
      const v1::GetConsistencyProofRequest& request) const;

  // REQUEST_MALFORMED: the digest is not 32 bytes. NOT_FOUND: none is kept
  // here under it, any more or at all.
  absl::StatusOr<v1::ArchivedEvidence> GetEvidence(
      const Caller& caller, const v1::GetEvidenceRequest& request) const;

 private:
  const InstanceHolder& holder_;
  const CheckpointSigner& signer_;
};

}  // namespace kms::audit

#endif  // KMS_AUDIT_AUDIT_HANDLERS_H_
