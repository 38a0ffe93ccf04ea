#include "kms/collateral/collateral_handlers.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/collateral/importer.h"
#include "kms/instance/admin_call.h"
#include "policy/collateral/age.h"
#include "policy/collateral/verify.h"
#include "storage/state/limits.h"
#include "storage/state/state_view.h"

namespace kms::collateral {
namespace {

using ::storage::v1::CollateralRecord;
using ::storage::v1::Command;
using ::storage::v1::DenyListRecord;
using ::storage::v1::KillSwitchRecord;

// Versions by others that one unconditional PutDenyList tries to get ahead of.
constexpr int kPutTries = 4;

v1::Collateral ToCollateral(const Instance& instance,
                            const CollateralRecord& record) {
  v1::Collateral item;
  item.set_role(record.role());
  item.set_subject(record.subject());
  item.set_title(record.title());
  item.set_type(static_cast<v1::EvidenceType>(record.evidence_type()));
  item.set_number(record.number());
  item.set_issued_us(record.issued_us());
  item.set_next_update_us(record.next_update_us());
  item.set_digest(record.digest());
  item.set_size(record.size());
  item.set_stored_us(record.stored_us());
  item.set_principal(record.principal());
  const std::optional<absl::Duration> max_age =
      policy::MaxAgeOf(instance.collateral_max_ages, record.role());
  if (max_age.has_value()) {
    item.set_max_age_until_us(record.issued_us() +
                              absl::ToInt64Microseconds(*max_age));
  }
  return item;
}

v1::DenyList ToDenyList(const DenyListRecord& record) {
  v1::DenyList list;
  list.set_type(static_cast<v1::EvidenceType>(record.evidence_type()));
  list.set_version(record.version());
  *list.mutable_entries() = record.entries();
  list.set_stored_us(record.stored_us());
  list.set_principal(record.principal());
  return list;
}

v1::KillSwitch ToKillSwitch(const KillSwitchRecord& record) {
  v1::KillSwitch kill_switch;
  kill_switch.set_type(static_cast<v1::EvidenceType>(record.evidence_type()));
  kill_switch.set_on(record.on());
  kill_switch.set_changed_us(record.changed_us());
  kill_switch.set_principal(record.principal());
  return kill_switch;
}

absl::Status CheckType(v1::EvidenceType type) {
  if (v1::EvidenceType_IsValid(type) && type != v1::EVIDENCE_TYPE_UNSPECIFIED) {
    return absl::OkStatus();
  }
  return Refuse(v1::REQUEST_MALFORMED, "type: no type of Evidence");
}

absl::Status CheckItemName(absl::string_view role, absl::string_view subject) {
  if (role.empty() || subject.empty()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "collateral: want a role and a subject");
  }
  if (role.size() > storage::kCollateralRoleBytesMax ||
      subject.size() > storage::kCollateralSubjectBytesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  "collateral: role or subject is too long");
  }
  return absl::OkStatus();
}

// Sorted and each once, as the state wants them.
absl::StatusOr<std::vector<std::string>> ReadEntries(
    const v1::PutDenyListRequest& request) {
  std::vector<std::string> entries(request.entries().begin(),
                                   request.entries().end());
  std::sort(entries.begin(), entries.end());
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  if (entries.size() > static_cast<size_t>(storage::kDenyListEntriesMax)) {
    return Refuse(
        v1::REQUEST_TOO_LARGE,
        absl::StrCat("deny list: ", entries.size(), " entries, want at most ",
                     storage::kDenyListEntriesMax));
  }
  for (const std::string& entry : entries) {
    if (entry.empty() || entry.size() > storage::kDenyListEntryBytesMax) {
      return Refuse(
          v1::REQUEST_MALFORMED,
          absl::StrCat("deny list: an entry of ", entry.size(),
                       " bytes, want 1 to ", storage::kDenyListEntryBytesMax));
    }
  }
  return entries;
}

// The list of `type`; an empty one of version 0 if there is none.
absl::StatusOr<DenyListRecord> FindDenyList(const storage::StateView& view,
                                            v1::EvidenceType type) {
  KMS_ASSIGN_OR_RETURN(const std::vector<DenyListRecord> lists,
                       view.ListDenyLists());
  for (const DenyListRecord& list : lists) {
    if (list.evidence_type() == static_cast<uint32_t>(type)) return list;
  }
  return DenyListRecord();
}

}  // namespace

absl::StatusOr<v1::ImportCollateralResponse>
CollateralHandlers::ImportCollateral(
    const Caller& caller, const v1::ImportCollateralRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  const std::optional<policy::CollateralKind> kind =
      policy::CollateralKindNamed(request.kind());
  if (!kind.has_value()) {
    return Refuse(
        v1::REQUEST_MALFORMED,
        absl::StrCat("collateral: unknown kind, want one of ",
                     absl::StrJoin(policy::CollateralKindNames(), ", ")));
  }
  const std::vector<std::string> files(request.files().begin(),
                                       request.files().end());
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const AppraisalInputs> inputs,
                       inputs_->Get(*instance, *instance->replica->View()));
  KMS_ASSIGN_OR_RETURN(const Imported imported,
                       Import(*instance, *inputs, caller, *kind, files));
  v1::ImportCollateralResponse response;
  for (const CollateralRecord& record : imported.items) {
    *response.add_stored() = ToCollateral(*instance, record);
  }
  response.set_unchanged(imported.unchanged);
  return response;
}

absl::StatusOr<v1::ListCollateralResponse> CollateralHandlers::ListCollateral(
    const Caller& caller, const v1::ListCollateralRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const std::vector<CollateralRecord> records,
                       instance->replica->View()->ListCollateral());
  v1::ListCollateralResponse response;
  for (const CollateralRecord& record : records) {
    *response.add_collateral() = ToCollateral(*instance, record);
  }
  return response;
}

absl::StatusOr<v1::Collateral> CollateralHandlers::GetCollateral(
    const Caller& caller, const v1::GetCollateralRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckItemName(request.role(), request.subject()));
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const CollateralRecord record,
                       view->GetCollateral(request.role(), request.subject()));
  v1::Collateral item = ToCollateral(*instance, record);
  KMS_ASSIGN_OR_RETURN(
      *item.mutable_content(),
      view->GetCollateralContent(request.role(), request.subject()));
  return item;
}

absl::StatusOr<v1::RemoveCollateralResponse>
CollateralHandlers::RemoveCollateral(
    const Caller& caller, const v1::RemoveCollateralRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckItemName(request.role(), request.subject()));
  Command command = NewCommand(*instance, caller, kDefaultNamespace);
  command.mutable_remove_collateral()->set_role(request.role());
  command.mutable_remove_collateral()->set_subject(request.subject());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return v1::RemoveCollateralResponse();
}

absl::StatusOr<v1::DenyList> CollateralHandlers::PutDenyList(
    const Caller& caller, const v1::PutDenyListRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckType(request.type()));
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> entries,
                       ReadEntries(request));
  for (int tries = 1;; ++tries) {
    uint32_t expected = request.expected_version();
    if (!request.check_version()) {
      KMS_ASSIGN_OR_RETURN(
          const DenyListRecord latest,
          FindDenyList(*instance->replica->View(), request.type()));
      expected = latest.version();
    }
    Command command = NewCommand(*instance, caller, kDefaultNamespace);
    ::storage::v1::PutDenyList& op = *command.mutable_put_deny_list();
    op.set_evidence_type(static_cast<uint32_t>(request.type()));
    op.set_expected_version(expected);
    for (const std::string& entry : entries) op.add_entries(entry);
    const absl::Status done = Propose(*instance, command).status();
    const bool outrun =
        RefusalOf(done) == v1::VERSION_CONFLICT && !request.check_version();
    if (outrun && tries < kPutTries) continue;
    KMS_RETURN_IF_ERROR(done);
    KMS_ASSIGN_OR_RETURN(
        const DenyListRecord stored,
        FindDenyList(*instance->replica->View(), request.type()));
    return ToDenyList(stored);
  }
}

absl::StatusOr<v1::ListDenyListsResponse> CollateralHandlers::ListDenyLists(
    const Caller& caller, const v1::ListDenyListsRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const std::vector<DenyListRecord> lists,
                       instance->replica->View()->ListDenyLists());
  v1::ListDenyListsResponse response;
  for (const DenyListRecord& list : lists) {
    *response.add_lists() = ToDenyList(list);
  }
  return response;
}

absl::StatusOr<v1::KillSwitch> CollateralHandlers::SetKillSwitch(
    const Caller& caller, const v1::SetKillSwitchRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckType(request.type()));
  Command command = NewCommand(*instance, caller, kDefaultNamespace);
  command.mutable_set_kill_switch()->set_evidence_type(
      static_cast<uint32_t>(request.type()));
  command.mutable_set_kill_switch()->set_on(request.on());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  KMS_ASSIGN_OR_RETURN(const std::vector<KillSwitchRecord> switches,
                       instance->replica->View()->ListKillSwitches());
  for (const KillSwitchRecord& record : switches) {
    if (record.evidence_type() == static_cast<uint32_t>(request.type())) {
      return ToKillSwitch(record);
    }
  }
  return absl::InternalError("kill switch: set, and not there");
}

absl::StatusOr<v1::ListKillSwitchesResponse>
CollateralHandlers::ListKillSwitches(const Caller& caller,
                                     const v1::ListKillSwitchesRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const std::vector<KillSwitchRecord> switches,
                       instance->replica->View()->ListKillSwitches());
  v1::ListKillSwitchesResponse response;
  for (const KillSwitchRecord& record : switches) {
    *response.add_switches() = ToKillSwitch(record);
  }
  return response;
}

}  // namespace kms::collateral
