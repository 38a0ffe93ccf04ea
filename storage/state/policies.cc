// PutPolicy. Storage parses no policy: the proposer's terms stand beside the
// source (review.md 31).
#include "absl/strings/str_cat.h"
#include "kms/crypto/digest.h"
#include "storage/state/apply_context.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

bool ValidTerms(const ::storage::v1::PolicyTerms& terms) {
  const bool lease = terms.lease_us() > 0 && terms.lease_us() <= kLeaseUsMax;
  const bool quota = terms.quota_count() == 0
                         ? terms.quota_window_us() == 0
                         : terms.quota_window_us() > 0 &&
                               terms.quota_window_us() <= kQuotaWindowUsMax;
  const bool validity =
      terms.valid_from_us() >= 0 && terms.valid_from_us() <= kClockUsMax &&
      terms.valid_until_us() >= 0 && terms.valid_until_us() <= kClockUsMax &&
      (terms.valid_until_us() == 0 ||
       terms.valid_until_us() > terms.valid_from_us());
  return lease && quota && validity;
}

}  // namespace

absl::StatusOr<Effect> ApplyPutPolicy(ApplyContext& context,
                                      const ::storage::v1::PutPolicy& op) {
  if (!ValidName(op.name(), kPolicyNameBytesMax) || op.source().empty() ||
      op.source().size() > kPolicySourceBytesMax || !ValidTerms(op.terms())) {
    return Refused(v1::REQUEST_MALFORMED, "policy: bad name, source or terms");
  }
  const std::string& name_space = context.command->namespace_();
  const RowKey row = context.names.Policy(name_space, op.name());
  KMS_ASSIGN_OR_RETURN(
      const auto present,
      context.rows.GetRecord<::storage::v1::PolicyRecord>(row));
  const uint32_t latest = present.has_value() ? present->version() : 0;
  if (op.expected_version() != latest) {
    return Refused(v1::VERSION_CONFLICT,
                   absl::StrCat("policy: version ", latest, ", want ",
                                op.expected_version()));
  }
  if (latest >= kPolicyVersionsMax) {
    return Refused(v1::LIMIT_REACHED,
                   absl::StrCat("policy: ", kPolicyVersionsMax, " versions"));
  }
  ::storage::v1::PolicyRecord policy;
  policy.set_namespace_(name_space);
  policy.set_name(op.name());
  policy.set_version(latest + 1);
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(row, policy));
  ::storage::v1::PolicyVersionRecord version;
  version.set_source(op.source());
  *version.mutable_terms() = op.terms();
  version.set_created_us(context.log_time_us());
  version.set_principal(context.command->principal());
  KMS_RETURN_IF_ERROR(context.rows.PutRecord(
      context.names.PolicyVersion(name_space, op.name(), latest + 1), version));
  MoveGeneration(context);

  v1::AuditEntry entry;
  auto& event = *entry.mutable_policy_put();
  event.set_policy(op.name());
  event.set_version(latest + 1);
  event.set_source_digest(crypto::Sha256(AsBytes(op.source())));
  KMS_ASSIGN_OR_RETURN(Effect effect, Done(context, std::move(entry)));
  effect.version = latest + 1;
  return effect;
}

}  // namespace kms::storage
