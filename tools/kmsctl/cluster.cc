#include "tools/kmsctl/cluster.h"

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "proto/kms/v1/cluster.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/collateral.h"

namespace kms::kmsctl {
namespace {

using Cluster = v1::ClusterAdminService::StubInterface;
using Json = nlohmann::ordered_json;

// What a row shows of a 32-byte digest: enough to compare by eye.
constexpr size_t kDigestShown = 6;

struct Options {
  std::string instance;
  std::string reason;
};

absl::StatusOr<std::string> InstanceId(const Options& options) {
  const absl::StatusOr<std::string> id = Unhex(options.instance);
  if (!id.ok() || id->size() != 16) {
    return client::UsageError(
        "instance: want 32 hex digits, as kmsctl cluster status shows them");
  }
  return *id;
}

// How an address answers for itself, sealed or not.
std::string StateOf(const v1::Status& status) {
  if (!status.seal().initialized()) return "not initialized";
  if (status.seal().sealed()) return "sealed";
  return status.serving() ? "serving" : absl::StrCat("! ", status.problem());
}

std::string AgeText(int64_t ms) {
  return ms < 0 ? "-" : absl::FormatDuration(absl::Milliseconds(ms));
}

std::vector<std::string> Row(const v1::InstanceStatus& instance,
                             const std::string& state) {
  const std::string digest = instance.digest().substr(0, kDigestShown);
  std::string joined = "started the cluster";
  if (instance.development()) joined = "DEVELOPMENT TOKEN";
  if (instance.join_policy_version() != 0) {
    joined = absl::StrCat("cluster-join v", instance.join_policy_version());
  }
  return {Hex(instance.instance_id()),
          state,
          v1::InstanceStatus::Agreement_Name(instance.agreement()),
          absl::StrCat(instance.epoch(), "/", instance.index()),
          absl::StrCat(instance.lag()),
          digest.empty() ? "-" : Hex(digest),
          AgeText(instance.head_age_ms()),
          joined,
          instance.address().empty() ? "-" : instance.address(),
          instance.problem().empty() ? "-" : instance.problem()};
}

// Nothing for a log on the instance's own disk.
void ShowLogMembers(const v1::ClusterStatus& cluster, std::ostream& out) {
  for (const v1::LogMember& member : cluster.log_members()) {
    out << "  etcd " << member.address() << ": ";
    if (!member.problem().empty()) {
      out << "! " << member.problem() << "\n";
      continue;
    }
    out << (member.leads()          ? "leads"
            : member.knows_leader() ? "follows"
                                    : "! knows of no leader")
        << ", " << member.version() << ", " << (member.bytes() >> 20)
        << " MiB, in use " << (member.bytes_in_use() >> 20) << " MiB";
    for (const std::string& alarm : member.alarms()) out << ", ! " << alarm;
    out << "\n";
  }
}

absl::Status ShowStatus(Context& context) {
  KMS_ASSIGN_OR_RETURN(
      const v1::ClusterStatus cluster,
      (context.Call<v1::ClusterAdminService, v1::ClusterStatus>(
          &Cluster::GetClusterStatus, v1::GetClusterStatusRequest())));
  // A sealed instance says nothing to its peers; its own port does.
  KMS_ASSIGN_OR_RETURN(const auto answers,
                       (context.CallEach<v1::StatusService, v1::Status>(
                           &v1::StatusService::StubInterface::GetStatus,
                           v1::GetStatusRequest())));
  KMS_ASSIGN_OR_RETURN(const std::string collateral,
                       CollateralAtAGlance(context));
  std::map<std::string, std::string> states;
  size_t unreached = 0;
  for (const absl::StatusOr<v1::Status>& answer : answers) {
    if (answer.ok()) {
      states[answer->instance_id()] = StateOf(*answer);
    } else {
      ++unreached;
    }
  }
  Json json = ProtoToJson(cluster);
  json["addresses_unreached"] = unreached;
  json["collateral"] = collateral;
  std::vector<std::vector<std::string>> rows = {
      {"INSTANCE", "STATE", "HEAD", "POSITION", "LAG", "DIGEST", "AGE",
       "JOINED BY", "PEER ADDRESS", "PROBLEM"}};
  for (int i = 0; i < cluster.instances_size(); ++i) {
    const v1::InstanceStatus& instance = cluster.instances(i);
    const auto state = states.find(instance.instance_id());
    const std::string shown =
        state == states.end() ? "not asked" : state->second;
    rows.push_back(Row(instance, shown));
    json["instances"][static_cast<size_t>(i)]["state"] = shown;
  }
  if (!context.json()) {
    context.out() << "cluster: " << Hex(cluster.cluster_id())
                  << "  feature level: " << cluster.feature_level() << "\n"
                  << "log: " << cluster.log() << ", " << cluster.log_epoch()
                  << "/" << cluster.log_tail()
                  << "  release guard: " << cluster.release_guard() << "\n";
    ShowLogMembers(cluster, context.out());
    context.out() << "collateral: " << collateral << "\njoining: "
                  << (cluster.join_policy_version() == 0
                          ? std::string("no policy cluster-join")
                          : absl::StrCat("by policy cluster-join, version ",
                                         cluster.join_policy_version()))
                  << "\nas seen by: " << Hex(cluster.instance_id()) << "\n\n";
  }
  context.PrintTable(rows, json);
  if (unreached != 0) {
    context.err() << unreached << " of " << answers.size()
                  << " addresses not reached\n";
  }
  return absl::OkStatus();
}

absl::Status Remove(Context& context, const Options& options) {
  v1::RemoveInstanceRequest request;
  KMS_ASSIGN_OR_RETURN(*request.mutable_instance_id(), InstanceId(options));
  request.set_reason(options.reason);
  KMS_RETURN_IF_ERROR(
      (context.Call<v1::ClusterAdminService, v1::RemoveInstanceResponse>(
           &Cluster::RemoveInstance, request))
          .status());
  if (!context.json()) {
    context.out() << "removed, for ever; its machine still has the keys it "
                     "had: see the runbook\n";
  }
  return absl::OkStatus();
}

absl::Status Unfence(Context& context, const Options& options) {
  v1::UnfenceInstanceRequest request;
  KMS_ASSIGN_OR_RETURN(*request.mutable_instance_id(), InstanceId(options));
  return context
      .Call<v1::ClusterAdminService, v1::UnfenceInstanceResponse>(
          &Cluster::UnfenceInstance, request)
      .status();
}

}  // namespace

void AddClusterCommands(CLI::App& app, Context& context) {
  CLI::App* const cluster =
      app.add_subcommand("cluster", "The instances of the cluster");
  cluster->require_subcommand(1, 1);
  context.OnRun(
      *cluster->add_subcommand(
          "status", "Instances, positions, digests, lag and seal at a glance"),
      [&context] { return ShowStatus(context); });

  auto options = std::make_shared<Options>();
  CLI::App* const remove = cluster->add_subcommand(
      "remove", "Void an instance's registration, for ever");
  remove->add_option("instance", options->instance, "its id, hex")->required();
  remove->add_option("--reason", options->reason, "for the audit log");
  context.OnRun(*remove,
                [&context, options] { return Remove(context, *options); });

  CLI::App* const unfence = cluster->add_subcommand(
      "unfence", "Let an instance propose again whose state was copied anew");
  unfence->add_option("instance", options->instance, "its id, hex")->required();
  context.OnRun(*unfence,
                [&context, options] { return Unfence(context, *options); });
}

}  // namespace kms::kmsctl
