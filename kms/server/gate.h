// What every call passes before its handler and after it, the same for all:
// admission, deadline, caller, size, authorisation, seal; then one log line
// and the status that travels.
//
// Source: style.md, "Shared steps are a chain; handlers do their domain only".
// Thread-safe.
#ifndef KMS_SERVER_GATE_H_
#define KMS_SERVER_GATE_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "kms/base/caller.h"
#include "kms/base/clock.h"
#include "kms/base/rate_limiter.h"
#include "kms/instance/instance.h"
#include "kms/metrics/call_metrics.h"
#include "kms/server/admission.h"
#include "kms/server/caller_identity.h"
#include "kms/server/event_log.h"

namespace kms::server {

// What one rpc demands.
struct Rpc {
  const char* name;          // "KeyService.CreateKey"
  bool administrator;        // Refused with ADMINISTRATOR_REQUIRED to others.
  bool unsealed;             // Refused while the instance is not: with SEALED,
                             // or with what ended its replica.
  bool counts_as_challenge;  // Draws on its caller's challenges a second.
};

// The usual kinds.
constexpr Rpc AdministratorRpc(const char* name) {
  return {name, true, true, false};
}
constexpr Rpc StatusRpc(const char* name) {
  return {name, false, false, false};
}
constexpr Rpc SealRpc(const char* name) { return {name, true, false, false}; }
constexpr Rpc WorkloadRpc(const char* name) {
  return {name, false, true, false};
}
constexpr Rpc ChallengeRpc(const char* name) {
  return {name, false, true, true};
}

// What a handler is told about the call it answers.
struct Call {
  Caller caller;
  absl::Time deadline;  // The client's, or the one imposed on him.
};

struct GateOptions {
  CallerIdentity identity;
  size_t request_bytes_max;
  double challenges_per_second;
  // All outlive the gate.
  Admission* admission;
  const InstanceHolder* holder;
  const EventLog* log;
  const Clock* clock;
  metrics::CallMetrics* metrics = nullptr;  // Null: calls are not counted.
};

class Gate {
 public:
  explicit Gate(GateOptions options);

  // Answers one call: `handler` is called with a Call if nothing refuses it,
  // and returns absl::StatusOr<Response>.
  template <typename Response, typename Handler>
  grpc::Status Answer(const Rpc& rpc, grpc::ServerContext& context,
                      const google::protobuf::MessageLite& request,
                      Response& response, Handler&& handler) {
    Begun begun = Begin(rpc, context, request);
    if (!begun.ticket.ok()) return End(begun, begun.ticket.status(), context);
    absl::StatusOr<Response> answer =
        std::forward<Handler>(handler)(std::as_const(begun.call));
    if (answer.ok()) response = *std::move(answer);
    return End(begun, answer.status(), context);
  }

 private:
  struct Begun {
    const Rpc& rpc;
    absl::Time started;
    Call call;
    absl::StatusOr<Admission::Ticket> ticket;
  };

  Begun Begin(const Rpc& rpc, const grpc::ServerContext& context,
              const google::protobuf::MessageLite& request);
  absl::Status Check(const Rpc& rpc, const Call& call, absl::Time now,
                     const google::protobuf::MessageLite& request);
  grpc::Status End(const Begun& begun, const absl::Status& status,
                   grpc::ServerContext& context) const;

  const GateOptions options_;
  RateLimiter challenges_;  // By network.
};

}  // namespace kms::server

#endif  // KMS_SERVER_GATE_H_
