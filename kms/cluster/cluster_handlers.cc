#include "kms/cluster/cluster_handlers.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/instance/admin_call.h"
#include "storage/replica/replica.h"
#include "storage/state/limits.h"

namespace kms::cluster {
namespace {

using ::storage::v1::InstanceRecord;

absl::Status CheckInstanceId(const std::string& id) {
  if (id.size() == storage::kIdBytes) return absl::OkStatus();
  return Refuse(v1::REQUEST_MALFORMED,
                absl::StrCat("instance id: ", id.size(), " bytes, want ",
                             storage::kIdBytes));
}

v1::InstanceStatus FromRecord(const InstanceRecord& record) {
  v1::InstanceStatus status;
  status.set_instance_id(record.instance_id());
  status.set_evidence_digest(record.evidence_digest());
  status.set_development(record.development());
  status.set_join_policy_version(record.join_policy_version());
  status.set_incarnation(record.incarnation());
  status.set_clock_us(record.clock_us());
  status.set_head_age_ms(-1);
  status.set_agreement(v1::InstanceStatus::SILENT);
  return status;
}

void AddHead(const HeadKeeper::Peer& peer, absl::Duration now,
             v1::InstanceStatus& status) {
  const absl::Duration age = now - peer.received;
  status.set_epoch(peer.head.epoch());
  status.set_index(peer.head.index());
  status.set_digest(peer.head.digest());
  status.set_problem(peer.head.problem());
  status.set_head_age_ms(absl::ToInt64Milliseconds(age));
  if (age < kSilentAfter) status.set_agreement(peer.agreement);
}

void AddMember(const storage::LogMember& member, v1::ClusterStatus& status) {
  v1::LogMember& row = *status.add_log_members();
  row.set_address(member.address);
  if (!member.status.ok()) {
    row.set_problem(absl::StatusCodeToString(member.status.code()));
    return;
  }
  row.set_version(member.version);
  row.set_leads(member.leader_id == member.member_id);
  row.set_knows_leader(member.leader_id != 0);
  row.set_bytes(member.bytes);
  row.set_bytes_in_use(member.bytes_in_use);
  row.mutable_alarms()->Assign(member.alarms.begin(), member.alarms.end());
}

// A log without a leader would be asked in vain, for many seconds.
absl::StatusOr<storage::LogPosition> AskLog(const storage::Replica& replica,
                                            v1::ClusterStatus& status) {
  bool leader = false;
  for (const storage::LogMember& member : replica.LogMembers()) {
    AddMember(member, status);
    leader |= member.status.ok() && member.leader_id != 0;
  }
  if (!leader && status.log_members_size() != 0) {
    return Refuse(v1::LOG_UNAVAILABLE, "log: no member knows of a leader");
  }
  return replica.LogTail();
}

}  // namespace

absl::StatusOr<v1::ClusterStatus> ClusterHandlers::GetClusterStatus(
    const Caller& caller, const v1::GetClusterStatusRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(*options_.holder, caller));
  const auto view = instance->replica->View();
  v1::ClusterStatus status;
  const auto tail = AskLog(*instance->replica, status);
  status.set_cluster_id(instance->cluster_id);
  status.set_instance_id(instance->instance_id);
  status.set_feature_level(view->header().feature_level());
  status.set_log(tail.ok() ? "ok" : RefusalName(RefusalOf(tail.status())));
  const storage::LogPosition end = tail.ok() ? *tail : view->position();
  status.set_log_epoch(end.epoch);
  status.set_log_tail(end.index);
  status.set_release_guard("none");
  if (options_.majority) {
    const absl::Status guard = options_.exchange->Guard();
    status.set_release_guard(guard.ok() ? "majority: holds"
                                        : "majority: releases are refused");
  }
  const auto policy = view->GetPolicy("default", storage::kJoinPolicyName);
  if (policy.ok()) status.set_join_policy_version(policy->version);

  KMS_ASSIGN_OR_RETURN(const std::vector<InstanceRecord> records,
                       view->ListInstances());
  const absl::Duration now = options_.boot_time();
  const std::map<std::string, HeadKeeper::Peer> peers =
      options_.keeper->peers();
  const std::map<std::string, std::string> addresses =
      options_.exchange->addresses();
  for (const InstanceRecord& record : records) {
    v1::InstanceStatus& row = *status.add_instances();
    row = FromRecord(record);
    if (const auto peer = peers.find(record.instance_id());
        peer != peers.end()) {
      AddHead(peer->second, now, row);
    }
    if (const auto address = addresses.find(record.instance_id());
        address != addresses.end()) {
      row.set_address(address->second);
    }
    if (record.instance_id() == instance->instance_id) {
      row.set_agreement(v1::InstanceStatus::SELF);
      row.set_epoch(view->position().epoch);
      row.set_index(view->position().index);
      row.set_digest(view->header().digest());
      row.set_head_age_ms(0);
    }
    if (record.fenced()) row.set_agreement(v1::InstanceStatus::FENCED);
    if (record.removed()) row.set_agreement(v1::InstanceStatus::REMOVED);
    if (row.index() != 0)
      row.set_lag(end.index - std::min(end.index, row.index()));
  }
  return status;
}

absl::StatusOr<v1::RemoveInstanceResponse> ClusterHandlers::RemoveInstance(
    const Caller& caller, const v1::RemoveInstanceRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(*options_.holder, caller));
  KMS_RETURN_IF_ERROR(CheckInstanceId(request.instance_id()));
  auto command = NewCommand(*instance, caller, "default");
  command.mutable_remove_instance()->set_instance_id(request.instance_id());
  command.mutable_remove_instance()->set_reason(request.reason());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return v1::RemoveInstanceResponse();
}

absl::StatusOr<v1::UnfenceInstanceResponse> ClusterHandlers::UnfenceInstance(
    const Caller& caller, const v1::UnfenceInstanceRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(*options_.holder, caller));
  KMS_RETURN_IF_ERROR(CheckInstanceId(request.instance_id()));
  auto command = NewCommand(*instance, caller, "default");
  command.mutable_unfence_instance()->set_instance_id(request.instance_id());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return v1::UnfenceInstanceResponse();
}

}  // namespace kms::cluster
