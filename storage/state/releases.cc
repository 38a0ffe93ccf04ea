// Release, RecordRewrap: everything that was judged is checked again here,
// where it is ordered. Sources: architecture.md, "The release, step by step",
// 6; review.md 11, 15, 16, 38.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/state/apply_context.h"
#include "storage/state/leases.h"
#include "storage/state/limits.h"
#include "storage/state/policy_states.h"
#include "storage/state/verdicts.h"

namespace kms::storage {
namespace {

using ::storage::v1::KeyRecord;
using ::storage::v1::PolicyVersionRecord;
using ::storage::v1::QuotaRecord;
using ::storage::v1::Release;
using ::storage::v1::SpentChallengeRecord;

bool DigestOrNone(absl::string_view digest) {
  return digest.empty() || digest.size() == kSha256Bytes;
}

ChallengeUse UseOf(const Release& op) {
  return {op.challenge_hash(), op.challenge_expires_us(),
          op.transcript_digest()};
}

bool WellFormed(const Release& op, int64_t proposer_clock_us) {
  return op.key_id().size() == kIdBytes && op.version() >= 1 &&
         !op.policy().empty() && op.policy().size() <= kPolicyNameBytesMax &&
         op.evidence_digest().size() == kSha256Bytes &&
         op.claims_digest().size() == kSha256Bytes &&
         op.recipient_thumbprint().size() == kSha256Bytes &&
         DigestOrNone(op.blob_digest()) && DigestOrNone(op.new_blob_digest()) &&
         DigestOrNone(op.artifact_digest()) &&
         op.new_blob_digest().empty() == (op.new_blob_version() == 0) &&
         WellFormedShadow(op.shadow()) && WellFormedUses(op.references()) &&
         WellFormed(UseOf(op), proposer_clock_us);
}

// That the version may be used now, and for this: a stored key for the artifact
// that it is bound to; a wrapping key for a blob, which may be bound by itself.
Effect CheckUse(const KeyRecord& key, uint32_t version, bool blob,
                absl::string_view artifact_digest) {
  Effect effect = CheckUsable(key, version);
  if (!effect.ok()) return effect;
  const bool wrapping = key.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING;
  if (wrapping != blob) {
    return Refused(v1::PURPOSE_MISMATCH, "key: not of the purpose asked for");
  }
  const std::string& bound =
      key.versions(static_cast<int>(version) - 1).artifact_digest();
  if (bound != artifact_digest && !(wrapping && bound.empty())) {
    return Refused(v1::ARTIFACT_MISMATCH,
                   "key version: bound to another artifact");
  }
  return Effect();
}

// The policy that judged must be the one that would judge now.
Effect CheckAppraisal(const ApplyContext& context, const Release& op,
                      const KeyRecord& key, uint32_t active_policy_version) {
  if (key.policy() != op.policy() ||
      active_policy_version != op.policy_version() ||
      context.header.appraisal_generation() != op.appraisal_generation()) {
    return Refused(v1::APPRAISAL_STALE,
                   "release: policy inputs moved since it was judged");
  }
  return Effect();
}

Effect CheckValidity(const ApplyContext& context,
                     const ::storage::v1::PolicyTerms& terms) {
  const int64_t now = context.log_time_us();
  if (now < terms.valid_from_us() ||
      (terms.valid_until_us() != 0 && now >= terms.valid_until_us())) {
    return Refused(v1::POLICY_DENIED, "policy: not valid at this time");
  }
  return Effect();
}

// An effect that is ok: the challenge is fresh, or spent by this request.
Effect CheckUse(const ApplyContext& context, const Release& op,
                const std::optional<SpentChallengeRecord>& spent) {
  const Effect effect = CheckChallenge(context, UseOf(op), spent);
  if (effect.ok() && spent.has_value() &&
      (spent->key_id() != op.key_id() || spent->version() != op.version())) {
    return Refused(v1::CHALLENGE_SPENT, "challenge: spent by another request");
  }
  return effect;
}

// Draws one release from the window of log time, or refuses.
absl::StatusOr<Effect> DrawQuota(ApplyContext& context, const Release& op,
                                 const ::storage::v1::PolicyTerms& terms) {
  if (terms.quota_count() == 0) return Effect();
  const RowKey row = context.names.Quota(context.command->namespace_(),
                                         op.key_id(), op.policy());
  KMS_ASSIGN_OR_RETURN(const auto stored,
                       context.rows.GetRecord<QuotaRecord>(row));
  QuotaRecord quota = stored.value_or(QuotaRecord());
  const int64_t now = context.log_time_us();
  if (!stored.has_value() ||
      now >= quota.window_start_us() + terms.quota_window_us()) {
    quota.set_window_start_us(now);
    quota.set_drawn(0);
  }
  if (quota.drawn() >= terms.quota_count()) {
    return Refused(v1::QUOTA_EXHAUSTED,
                   absl::StrCat("quota: ", terms.quota_count(),
                                " releases of this window are drawn"));
  }
  quota.set_drawn(quota.drawn() + 1);
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, quota));
  return Effect();
}

absl::Status CountRelease(ApplyContext& context, const Release& op) {
  const RowKey row =
      ReleaseCountRow(context.namespace_tag, op.key_id(), op.version());
  KMS_ASSIGN_OR_RETURN(
      const auto stored,
      context.rows.GetRecord<::storage::v1::ReleaseCountRecord>(row));
  auto count = stored.value_or(::storage::v1::ReleaseCountRecord());
  count.set_releases(count.releases() + 1);
  if (context.header.feature_level() >= kFeatureLevelKeys) {
    count.set_last_us(context.log_time_us());
  }
  return context.rows.PutRecord(row, count);
}

absl::Status Spend(ApplyContext& context, const Release& op, uint64_t leaf) {
  SpentChallengeRecord spent;
  spent.set_transcript_digest(op.transcript_digest());
  spent.set_expires_us(op.challenge_expires_us());
  spent.set_leaf(leaf);
  spent.set_key_id(op.key_id());
  spent.set_version(op.version());
  return SpendChallenge(context, op.challenge_hash(), spent);
}

// A refused release whose refusal has a leaf. APPRAISAL_STALE has none: it is
// judged again, and that verdict is recorded. REQUEST_MALFORMED has none
// either: it did not come from a verification.
absl::StatusOr<Effect> RefuseWithLeaf(ApplyContext& context, const Release& op,
                                      Effect effect) {
  if (effect.refusal == v1::APPRAISAL_STALE) return effect;
  v1::Refused refused;
  refused.set_key_id(op.key_id());
  refused.set_code(effect.refusal);
  refused.set_policy(op.policy());
  refused.set_policy_version(op.policy_version());
  refused.set_challenge_hash(op.challenge_hash());
  refused.set_evidence_digest(op.evidence_digest());
  refused.set_claims_digest(op.claims_digest());
  CopyVerdict(op, refused);
  KMS_RETURN_IF_ERROR(
      AddRefusalLeaf(context, op.key_id(), std::move(refused), effect));
  return effect;
}

v1::AuditEntry ReleasedEntry(const Release& op) {
  v1::AuditEntry entry;
  auto& event = *entry.mutable_released();
  event.set_key_id(op.key_id());
  event.set_version(op.version());
  event.set_policy(op.policy());
  event.set_policy_version(op.policy_version());
  event.set_appraisal_generation(op.appraisal_generation());
  event.set_challenge_hash(op.challenge_hash());
  event.set_transcript_digest(op.transcript_digest());
  event.set_evidence_digest(op.evidence_digest());
  event.set_claims_digest(op.claims_digest());
  event.set_recipient_thumbprint(op.recipient_thumbprint());
  event.set_kem_id(op.kem_id());
  CopyVerdict(op, event);
  event.set_blob_digest(op.blob_digest());
  event.set_new_blob_digest(op.new_blob_digest());
  event.set_new_blob_version(op.new_blob_version());
  event.set_artifact_digest(op.artifact_digest());
  return entry;
}

// What the rules say of a well-formed release of `key`, in this order: the
// state of the key, then whether it was judged by what holds now, then the
// challenge. `policy` is the active version's record.
Effect Judge(const ApplyContext& context, const Release& op,
             const KeyRecord& key, uint32_t active_policy_version,
             const PolicyVersionRecord& policy,
             const std::optional<SpentChallengeRecord>& spent) {
  const bool blob = !op.blob_digest().empty() || !op.new_blob_digest().empty();
  Effect effect = CheckUse(key, op.version(), blob, op.artifact_digest());
  if (effect.ok() && op.new_blob_version() != 0) {
    effect = CheckUse(key, op.new_blob_version(), blob, op.artifact_digest());
  }
  if (effect.ok()) {
    effect = CheckAppraisal(context, op, key, active_policy_version);
  }
  if (effect.ok()) effect = CheckValidity(context, policy.terms());
  if (effect.ok()) effect = CheckUse(context, op, spent);
  return effect;
}

}  // namespace

absl::StatusOr<Effect> ApplyRelease(ApplyContext& context, const Release& op) {
  if (!WellFormed(op, context.proposer_clock_us)) {
    return Refused(v1::REQUEST_MALFORMED, "release: a field is ill-formed");
  }
  if (NeedsPolicyLevel(op)) {
    const Effect level = RequireLevel(context, kFeatureLevelPolicies);
    if (!level.ok()) return level;
  }
  KMS_ASSIGN_OR_RETURN(const auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return Refused(v1::NOT_FOUND, "key: no such key");
  if (key->policy().empty()) {
    return RefuseWithLeaf(context, op,
                          Refused(v1::NO_POLICY, "key: names no policy"));
  }
  const std::string& name_space = context.command->namespace_();
  KMS_ASSIGN_OR_RETURN(const auto policy,
                       context.rows.GetRecord<::storage::v1::PolicyRecord>(
                           context.names.Policy(name_space, key->policy())));
  if (!policy.has_value()) return RowLoss(Family::kPolicy, "is missing");
  const uint32_t active = ActiveVersion(*policy);
  if (active == 0) {
    return RefuseWithLeaf(
        context, op,
        Refused(v1::NO_POLICY, "policy: none of its versions is active"));
  }
  KMS_ASSIGN_OR_RETURN(
      const auto policy_version,
      context.rows.GetRecord<PolicyVersionRecord>(
          context.names.PolicyVersion(name_space, key->policy(), active)));
  if (!policy_version.has_value()) {
    return RowLoss(Family::kPolicyVersion, "is missing");
  }
  KMS_ASSIGN_OR_RETURN(const auto spent,
                       context.rows.GetRecord<SpentChallengeRecord>(
                           SpentRow(op.challenge_hash())));
  const Effect verdict =
      Judge(context, op, *key, active, *policy_version, spent);
  if (!verdict.ok()) return RefuseWithLeaf(context, op, verdict);
  std::optional<uint64_t> repeat_of;
  if (spent.has_value()) repeat_of = spent->leaf();
  std::optional<Leases> leases;  // Only where they are bounded.
  if (const uint32_t most = policy_version->terms().concurrent(); most != 0) {
    KMS_ASSIGN_OR_RETURN(leases,
                         Leases::Read(context, op.key_id(), op.policy()));
    const Effect room = leases->CheckRoom(most, repeat_of);
    if (!room.ok()) return RefuseWithLeaf(context, op, room);
  }

  if (!spent.has_value()) {
    KMS_ASSIGN_OR_RETURN(const Effect drawn,
                         DrawQuota(context, op, policy_version->terms()));
    if (!drawn.ok()) return RefuseWithLeaf(context, op, drawn);
    // A blob that moves on is no use of the version that it leaves.
    if (op.blob_digest().empty() || op.new_blob_digest().empty()) {
      KMS_RETURN_IF_ERROR(CountRelease(context, op));
    }
  }
  const int64_t lease_until_us =
      context.log_time_us() + policy_version->terms().lease_us();
  v1::AuditEntry entry = ReleasedEntry(op);
  entry.mutable_released()->set_lease_until_us(lease_until_us);
  if (spent.has_value()) {
    entry.mutable_released()->set_repeat_of_plus_one(spent->leaf() + 1);
  }
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = op.version();
  effect.lease_until_us = lease_until_us;
  if (leases.has_value()) {
    KMS_RETURN_IF_ERROR(leases->Hold(context, repeat_of.value_or(*effect.leaf),
                                     lease_until_us));
  }
  if (spent.has_value()) {
    effect.repeat_of = spent->leaf();
  } else {
    KMS_RETURN_IF_ERROR(Spend(context, op, *effect.leaf));
  }
  return effect;
}

absl::StatusOr<Effect> ApplyRecordRewrap(
    ApplyContext& context, const ::storage::v1::RecordRewrap& op) {
  const Effect level = RequireLevel(context, kFeatureLevelKeys);
  if (!level.ok()) return level;
  if (op.blob_digest().size() != kSha256Bytes ||
      op.new_blob_digest().size() != kSha256Bytes ||
      !DigestOrNone(op.artifact_digest())) {
    return Refused(v1::REQUEST_MALFORMED, "rewrap: a field is ill-formed");
  }
  KMS_ASSIGN_OR_RETURN(const auto key, FindKey(context, op.key_id()));
  if (!key.has_value()) return Refused(v1::NOT_FOUND, "key: no such key");
  if (op.new_version() != key->primary_version()) {
    return Refused(v1::VERSION_CONFLICT,
                   "key: rotated since the blob was made");
  }
  for (const uint32_t version : {op.version(), op.new_version()}) {
    const Effect use =
        CheckUse(*key, version, /*blob=*/true, op.artifact_digest());
    if (!use.ok()) return use;
  }
  v1::AuditEntry entry;
  auto& event = *entry.mutable_blob_rewrapped();
  event.set_key_id(op.key_id());
  event.set_version(op.version());
  event.set_new_version(op.new_version());
  event.set_blob_digest(op.blob_digest());
  event.set_new_blob_digest(op.new_blob_digest());
  event.set_artifact_digest(op.artifact_digest());
  return Done(context, std::move(entry));
}

}  // namespace kms::storage
