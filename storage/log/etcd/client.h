// One etcd cluster, spoken to at whichever of its endpoints answers, over
// mutual TLS.
//
// Each client has connections of its own. A call has a deadline
// (limits.h); one that finds its endpoint unreachable, hung, without a leader
// or of another cluster moves all later ones to the next endpoint. What etcd
// answers is judged here once: codes, and the cluster's id.
//
// Source: architecture.md, "Shared log"; review.md 34; threats.md, section 6.
// Thread-safe. It knows nothing of logs.
#ifndef STORAGE_LOG_ETCD_CLIENT_H_
#define STORAGE_LOG_ETCD_CLIENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/etcd/server.grpc.pb.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

struct EtcdEndpoints {
  std::vector<std::string> addresses;  // "host:port", 1 to kEndpointsMax.
  std::string ca_certificates;         // PEM texts: who issues etcd's ...
  std::string certificate;             // ... and what we show it, ...
  std::string private_key;             // ... which stays in gRPC's memory.
};

class EtcdClient {
 public:
  // `cluster_id`: the only one that is believed; 0: the first that answers.
  EtcdClient(const EtcdEndpoints& endpoints, uint64_t cluster_id);

  // Both run a transaction. TryTxn asks one endpoint once; Get, for what only
  // reads, each endpoint at most once, and gives it `timeout` if that is longer
  // than usual.
  // kUnavailable: nobody answered; the outcome is unknown.
  // kResourceExhausted: no room in etcd, or the request is too large for it.
  // The
  //   transaction that takes the last room is done, and answered like this too.
  // kOutOfRange: the revision was compacted.
  // kFailedPrecondition: all endpoints are of another cluster.
  // kDataLoss: etcd says that it is corrupt. kInternal: it calls the request
  //   invalid.
  absl::StatusOr<etcdserverpb::TxnResponse> TryTxn(
      const etcdserverpb::TxnRequest& request);
  absl::StatusOr<etcdserverpb::TxnResponse> Get(
      const etcdserverpb::TxnRequest& request,
      absl::Duration timeout = absl::ZeroDuration());

  // As Get.
  absl::StatusOr<etcdserverpb::RangeResponse> Range(
      const etcdserverpb::RangeRequest& request,
      absl::Duration timeout = absl::ZeroDuration());

  // OK also if it is done already. Codes as Get.
  absl::Status Compact(int64_t revision);

  // Asks every endpoint, one after the other.
  std::vector<LogMember> Members();

  // The endpoint that the next call asks, as a number for Leave, and its watch
  // service, which lives as long as the client.
  size_t current() const { return current_; }
  etcdserverpb::Watch::Stub& watch(size_t endpoint);
  // Moves on from `endpoint`, if it is still the current one.
  void Leave(size_t endpoint);

  // Ends all of the above that are in progress, and every later one at once,
  // with kUnavailable. Members goes on.
  void Stop();

  // kUnavailable: not an answer of the pinned cluster.
  absl::Status CheckCluster(const etcdserverpb::ResponseHeader& header);

  // 0: nobody has answered yet.
  uint64_t cluster_id() const { return cluster_id_; }

 private:
  struct Endpoint {
    std::string address;
    std::unique_ptr<etcdserverpb::KV::Stub> kv;
    std::unique_ptr<etcdserverpb::Watch::Stub> watch;
    std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  };

  Endpoint& At(size_t endpoint) {
    return endpoints_[endpoint % endpoints_.size()];
  }
  // False: stopped. Else Stop cancels `call` until Exit.
  bool Enter(grpc::ClientContext& call);
  void Exit(grpc::ClientContext& call);
  template <typename Response, typename CallFn>
  absl::StatusOr<Response> Call(size_t tries, absl::Duration timeout,
                                CallFn call);

  std::vector<Endpoint> endpoints_;
  std::atomic<size_t> current_ = 0;  // Counts on; modulo their number.
  std::atomic<int64_t> timeout_ms_;
  std::atomic<uint64_t> cluster_id_;

  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_CLIENT_H_
