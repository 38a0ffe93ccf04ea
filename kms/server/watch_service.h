// kms.v1.KeyWatchService as gRPC calls it: streams without a thread each, on
// gRPC's callbacks, since thousands of workloads may watch at once. They are
// bounded by kms/lifecycle's kWatchersMax and not by the requests in flight.
// Thread-safe. The parts given to it outlive it.
#ifndef KMS_SERVER_WATCH_SERVICE_H_
#define KMS_SERVER_WATCH_SERVICE_H_

#include <utility>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "kms/lifecycle/key_watch.h"
#include "kms/server/caller_identity.h"
#include "kms/server/event_log.h"
#include "proto/kms/v1/watch.grpc.pb.h"

namespace kms::server {

class WatchService final : public v1::KeyWatchService::CallbackService {
 public:
  WatchService(CallerIdentity identity, lifecycle::KeyWatch& watch,
               const EventLog& log)
      : identity_(std::move(identity)), watch_(watch), log_(log) {}

  grpc::ServerWriteReactor<v1::WatchedKey>* WatchKey(
      grpc::CallbackServerContext* context,
      const v1::WatchKeyRequest* request) override;

 private:
  const CallerIdentity identity_;
  lifecycle::KeyWatch& watch_;
  const EventLog& log_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_WATCH_SERVICE_H_
