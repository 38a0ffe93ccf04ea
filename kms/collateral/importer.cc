#include "kms/collateral/importer.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"
#include "storage/state/state_view.h"

namespace kms::collateral {
namespace {

using policy::CollateralFacts;
using ::storage::v1::CollateralRecord;

// 0: it does not say.
int64_t Micros(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return 0;
  return absl::ToUnixMicros(time);
}

absl::StatusOr<bool> IsStored(const storage::StateView& view,
                              const CollateralFacts& facts) {
  const absl::StatusOr<CollateralRecord> record =
      view.GetCollateral(facts.item.role, facts.item.subject);
  if (absl::IsNotFound(record.status())) return false;
  KMS_RETURN_IF_ERROR(record.status());
  return record->digest() == facts.item.digest;
}

absl::Status Put(const Instance& instance, const Caller& caller,
                 const CollateralFacts& facts) {
  // Collateral has no namespace: it says what hardware is worth.
  ::storage::v1::Command command =
      NewCommand(instance, caller, kDefaultNamespace);
  ::storage::v1::PutCollateral& op = *command.mutable_put_collateral();
  op.set_role(facts.item.role);
  op.set_subject(facts.item.subject);
  op.set_title(facts.title);
  op.set_evidence_type(static_cast<uint32_t>(facts.type));
  op.set_number(facts.number);
  op.set_issued_us(Micros(facts.issued));
  op.set_next_update_us(Micros(facts.next_update));
  op.set_digest(facts.item.digest);
  op.set_content(facts.item.content);
  const absl::Status done = Propose(instance, command).status();
  // A file may hold several items: say which one was refused.
  if (RefusalOf(done) == v1::COLLATERAL_OLDER) {
    return Refuse(v1::COLLATERAL_OLDER,
                  absl::StrCat(facts.item.role, " ", facts.item.subject, ": ",
                               std::string(done.message())));
  }
  return done;
}

}  // namespace

absl::StatusOr<Imported> Import(const Instance& instance,
                                const AppraisalInputs& inputs,
                                const Caller& caller,
                                policy::CollateralKind kind,
                                absl::Span<const std::string> files) {
  KMS_ASSIGN_OR_RETURN(
      const std::vector<policy::VerifiedCollateral> verified,
      policy::VerifyCollateral(
          kind, files,
          policy::VerifyInputs{.now = instance.clock.Now(),
                               .anchors = inputs.anchors,
                               .collateral = inputs.stored.get()}));
  Imported imported;
  for (const policy::VerifiedCollateral& item : verified) {
    const CollateralFacts& facts = item.facts();
    KMS_ASSIGN_OR_RETURN(const bool stored,
                         IsStored(*instance.replica->View(), facts));
    if (stored) {
      ++imported.unchanged;
    } else {
      KMS_RETURN_IF_ERROR(Put(instance, caller, facts));
    }
    KMS_ASSIGN_OR_RETURN(CollateralRecord record,
                         instance.replica->View()->GetCollateral(
                             facts.item.role, facts.item.subject));
    imported.items.push_back(std::move(record));
  }
  return imported;
}

}  // namespace kms::collateral
