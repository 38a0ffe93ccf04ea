// ClusterAdminService (proto/kms/v1/cluster.proto) without gRPC.
// Every call refuses with SEALED and ADMINISTRATOR_REQUIRED; changes besides
// with LOG_UNAVAILABLE, FEATURE_LEVEL_TOO_LOW, and as the rpcs say.
// Thread-safe.
#ifndef KMS_CLUSTER_CLUSTER_HANDLERS_H_
#define KMS_CLUSTER_CLUSTER_HANDLERS_H_

#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/cluster/head_exchange.h"
#include "kms/cluster/head_keeper.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/cluster.pb.h"

namespace kms::cluster {

struct ClusterHandlersOptions {
  // These outlive the handlers.
  const InstanceHolder* holder = nullptr;
  const HeadKeeper* keeper = nullptr;
  const HeadExchange* exchange = nullptr;
  std::function<absl::Duration()> boot_time;
  bool majority = false;  // The configured guard.
};

class ClusterHandlers {
 public:
  explicit ClusterHandlers(ClusterHandlersOptions options)
      : options_(std::move(options)) {}

  absl::StatusOr<v1::ClusterStatus> GetClusterStatus(
      const Caller& caller, const v1::GetClusterStatusRequest& request) const;
  absl::StatusOr<v1::RemoveInstanceResponse> RemoveInstance(
      const Caller& caller, const v1::RemoveInstanceRequest& request) const;
  absl::StatusOr<v1::UnfenceInstanceResponse> UnfenceInstance(
      const Caller& caller, const v1::UnfenceInstanceRequest& request) const;

 private:
  const ClusterHandlersOptions options_;
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_CLUSTER_HANDLERS_H_
