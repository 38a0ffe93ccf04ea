// A false member for tests: passes calls on to a real one and twists, delays
// or withholds the answers.
// Thread-safe.
#ifndef STORAGE_LOG_ETCD_LYING_ETCD_H_
#define STORAGE_LOG_ETCD_LYING_ETCD_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "proto/etcd/server.grpc.pb.h"
#include "storage/log/etcd/testing.h"

namespace kms::storage {

// Each is applied to what the real member answered; null: honest.
struct EtcdLies {
  std::function<grpc::Status(const etcdserverpb::TxnRequest&,
                             etcdserverpb::TxnResponse&)>
      txn = nullptr;
  std::function<void(const etcdserverpb::RangeRequest&,
                     etcdserverpb::RangeResponse&)>
      range = nullptr;
  // False: the answer is swallowed.
  std::function<bool(etcdserverpb::WatchResponse&)> watch = nullptr;
  bool hang = false;  // Take calls, and answer none.
};

class LyingEtcd {
 public:
  // In front of `member` of `real`, which outlives it.
  explicit LyingEtcd(const TestEtcd& real, size_t member = 0);
  ~LyingEtcd();

  EtcdEndpoints endpoint() const;
  std::string address() const;

  // From the next answer on.
  void Tell(EtcdLies lies);
  // Ends every watch, as a server that stops does.
  void EndWatches();

 private:
  class Service;

  const TestEtcd& real_;
  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_LYING_ETCD_H_
