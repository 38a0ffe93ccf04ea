// What the commands of one batch see and change at Apply: the rows, the
// header, the instances, the leaves. One file a command family implements the
// functions at the end.
//
// A handler returns an Effect: done, or refused by the rules. It checks
// everything before it writes anything, because a refused command leaves no
// write but a leaf. A status is not a refusal: it stops the instance.
// Owned by Apply, for one batch.
#ifndef STORAGE_STATE_APPLY_CONTEXT_H_
#define STORAGE_STATE_APPLY_CONTEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/storage/v1/command.pb.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/log/log_position.h"
#include "storage/state/effect.h"
#include "storage/state/instance_table.h"
#include "storage/state/merkle_log.h"
#include "storage/state/row_key.h"
#include "storage/state/row_store.h"

namespace kms::storage {

struct ApplyContext {
  // Of the batch.
  RowBatch& rows;
  const NameHasher& names;
  ::storage::v1::StateHeader& header;
  InstanceTable& instances;
  MerkleEdge& edge;
  LogPosition position;
  std::string proposer;  // Instance id; empty if it has none.
  int64_t proposer_clock_us = 0;

  // Of the command; the pointers are null between commands.
  uint32_t number = 0;
  const ::storage::v1::ApprovedCommand* approved = nullptr;
  const ::storage::v1::Command* command = nullptr;
  std::string namespace_tag = {};

  int64_t log_time_us() const { return header.log_time_us(); }
};

// Adds `entry`, with the fields that all leaves share filled in from the
// context, to the Merkle log; returns its index.
// kInternal: over kLeafBytesMax, which the limits of its parts rule out.
absl::StatusOr<uint64_t> AddLeaf(ApplyContext& context, v1::AuditEntry entry);

// AddLeaf, and an Effect of a command that is done.
absl::StatusOr<Effect> Done(ApplyContext& context, v1::AuditEntry entry);

// 1 to `size_max` bytes of [a-z0-9._-].
bool ValidName(absl::string_view name, size_t size_max);

// An Effect that is ok, or FEATURE_LEVEL_TOO_LOW.
Effect RequireLevel(const ApplyContext& context, uint32_t level);

// Something that appraisal reads has changed: what was judged before is judged
// again.
void MoveGeneration(ApplyContext& context);

// Whether enough administrators stand behind the command: the proposing
// principal and every approver that Genesis named whose signature is valid,
// each once. Source: review.md 23.
// APPROVALS_MISSING, VERSION_CONFLICT (the generation moved since).
absl::StatusOr<Effect> CheckApprovals(ApplyContext& context);

// The key of the command's namespace; nothing if there is none.
absl::StatusOr<std::optional<::storage::v1::KeyRecord>> FindKey(
    ApplyContext& context, absl::string_view key_id);

// An Effect that is ok: the version may be used now. NOT_FOUND,
// VERSION_DISABLED, VERSION_DESTROYED, VERSION_BELOW_MINIMUM.
Effect CheckUsable(const ::storage::v1::KeyRecord& key, uint32_t version);

// --- Parts of the key families that both files use. ---

// Destroys a version of `key`, which is not stored here, for ever.
absl::Status DestroyVersion(ApplyContext& context, absl::string_view tag,
                            ::storage::v1::KeyRecord& key, uint32_t version);
// Moves the key's next rotation, and its row, to `next_us`; 0: there is none.
absl::Status SetNextRotation(ApplyContext& context,
                             ::storage::v1::KeyRecord& key, int64_t next_us);
// RotateKey's rules, whoever asks; `due`: the leaf says that the period did.
absl::StatusOr<Effect> Rotate(ApplyContext& context,
                              const ::storage::v1::RotateKey& op, bool due);

// --- The command families. ---

// instances.cc. Genesis: kInvalidArgument if it is not one; no Effect then.
absl::Status ApplyGenesis(ApplyContext&, const ::storage::v1::Genesis&);
// The same for the first entry of a later epoch, which goes on with the state:
// only its instance stays registered, the others join again. That it follows
// the state is the caller's to check.
absl::Status ApplyNextGenesis(ApplyContext&, const ::storage::v1::Genesis&);
absl::StatusOr<Effect> ApplyRegister(ApplyContext&,
                                     const ::storage::v1::Register&);
absl::StatusOr<Effect> ApplyRemoveInstance(
    ApplyContext&, const ::storage::v1::RemoveInstance&);
absl::StatusOr<Effect> ApplyUnfenceInstance(
    ApplyContext&, const ::storage::v1::UnfenceInstance&);
absl::StatusOr<Effect> ApplyRaiseFeatureLevel(
    ApplyContext&, const ::storage::v1::RaiseFeatureLevel&);

// keys.cc
absl::StatusOr<Effect> ApplyCreateKey(ApplyContext&,
                                      const ::storage::v1::CreateKey&);
absl::StatusOr<Effect> ApplyRotateKey(ApplyContext&,
                                      const ::storage::v1::RotateKey&);
absl::StatusOr<Effect> ApplySetKeyVersionState(
    ApplyContext&, const ::storage::v1::SetKeyVersionState&);
absl::StatusOr<Effect> ApplySetKeyPolicy(ApplyContext&,
                                         const ::storage::v1::SetKeyPolicy&);
absl::StatusOr<Effect> ApplyConfigureKey(ApplyContext&,
                                         const ::storage::v1::ConfigureKey&);

// key_schedules.cc
absl::StatusOr<Effect> ApplyScheduleDestruction(
    ApplyContext&, const ::storage::v1::ScheduleDestruction&);
absl::StatusOr<Effect> ApplyCancelDestruction(
    ApplyContext&, const ::storage::v1::CancelDestruction&);
absl::StatusOr<Effect> ApplyConfirmClock(ApplyContext&,
                                         const ::storage::v1::ConfirmClock&);
absl::StatusOr<Effect> ApplyRotateDueKey(ApplyContext&,
                                         const ::storage::v1::RotateDueKey&);

// Destroys what is due by `row`, a row of kDestruction; between commands.
absl::Status FireDestruction(ApplyContext& context, const RowKey& row);

// policies.cc
absl::StatusOr<Effect> ApplyPutPolicy(ApplyContext&,
                                      const ::storage::v1::PutPolicy&);
absl::StatusOr<Effect> ApplySetPolicyState(
    ApplyContext&, const ::storage::v1::SetPolicyState&);

// references.cc
absl::StatusOr<Effect> ApplyPutReferenceSet(
    ApplyContext&, const ::storage::v1::PutReferenceSet&);
absl::StatusOr<Effect> ApplyEndReferenceVersion(
    ApplyContext&, const ::storage::v1::EndReferenceVersion&);

// anchors.cc
absl::StatusOr<Effect> ApplyPutAnchor(ApplyContext&,
                                      const ::storage::v1::PutAnchor&);
absl::StatusOr<Effect> ApplyRemoveAnchor(ApplyContext&,
                                         const ::storage::v1::RemoveAnchor&);

// collateral.cc
absl::StatusOr<Effect> ApplyPutCollateral(ApplyContext&,
                                          const ::storage::v1::PutCollateral&);
absl::StatusOr<Effect> ApplyRemoveCollateral(
    ApplyContext&, const ::storage::v1::RemoveCollateral&);

// hardware.cc
absl::StatusOr<Effect> ApplyPutDenyList(ApplyContext&,
                                        const ::storage::v1::PutDenyList&);
absl::StatusOr<Effect> ApplySetKillSwitch(ApplyContext&,
                                          const ::storage::v1::SetKillSwitch&);

// releases.cc
absl::StatusOr<Effect> ApplyRelease(ApplyContext&,
                                    const ::storage::v1::Release&);
absl::StatusOr<Effect> ApplyRecordRewrap(ApplyContext&,
                                         const ::storage::v1::RecordRewrap&);

// rekeys.cc
absl::StatusOr<Effect> ApplyRecordRekey(ApplyContext&,
                                        const ::storage::v1::RecordRekey&);
absl::StatusOr<Effect> ApplyRotateKeyring(ApplyContext&,
                                          const ::storage::v1::RotateKeyring&);

// refusals.cc
absl::StatusOr<Effect> ApplyRecordRefusal(ApplyContext&,
                                          const ::storage::v1::RecordRefusal&);
absl::StatusOr<Effect> ApplyCountRefusals(ApplyContext&,
                                          const ::storage::v1::CountRefusals&);

// A leaf for a refusal of verified Evidence, up to a rate a key; without one
// `effect.leaf` stays empty.
absl::Status AddRefusalLeaf(ApplyContext& context, absl::string_view key_id,
                            v1::Refused refused, Effect& effect);

// challenges.cc: who used a challenge; releases and joins do.
struct ChallengeUse {
  const std::string& hash;  // 32 bytes.
  int64_t expires_us = 0;
  const std::string& transcript_digest;  // 64 bytes.
};
bool WellFormed(const ChallengeUse& use, int64_t proposer_clock_us);
// An effect that is ok: fresh by log time, and not spent (`spent` has no value)
// or spent by this transcript.
// CHALLENGE_EXPIRED, CHALLENGE_SPENT, LIMIT_REACHED. REQUIRES: WellFormed.
Effect CheckChallenge(
    const ApplyContext& context, const ChallengeUse& use,
    const std::optional<::storage::v1::SpentChallengeRecord>& spent);
// `spent.expires_us`: when it may be forgotten.
absl::Status SpendChallenge(ApplyContext& context, const std::string& hash,
                            const ::storage::v1::SpentChallengeRecord& spent);

// commands.cc: checks what all commands share, then calls the family's.
absl::StatusOr<Effect> ApplyCommand(ApplyContext& context);

}  // namespace kms::storage

#endif  // STORAGE_STATE_APPLY_CONTEXT_H_
