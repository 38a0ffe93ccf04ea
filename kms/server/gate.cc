#include "kms/server/gate.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/server/grpc_status.h"
#include "kms/server/limits.h"
#include "storage/replica/replica.h"

namespace kms::server {
namespace {

// The client's deadline, within bounds; gRPC's "none" is infinitely late.
absl::Time DeadlineOf(const grpc::ServerContext& context, absl::Time now) {
  const auto stated = context.deadline();
  if (stated == std::chrono::system_clock::time_point::max()) {
    return now + kDeadlineDefault;
  }
  return std::min(absl::FromChrono(stated), now + kDeadlineMax);
}

// A flood must not fill the disk; a fault of ours must be seen.
LogLevel LevelOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kUnavailable:
      return LogLevel::kError;
    default:
      return RefusalOf(status) == v1::RATE_LIMITED ? LogLevel::kDebug
                                                   : LogLevel::kInfo;
  }
}

// Messages of Refuse say nothing about the request's bytes; those of others
// are logged only where they are about this instance.
std::string Reason(const absl::Status& status) {
  return status.ok() ? "" : std::string(status.message().substr(0, 512));
}

}  // namespace

Gate::Gate(GateOptions options)
    : options_(std::move(options)),
      challenges_(
          options_.challenges_per_second,
          std::max(1.0, options_.challenges_per_second * kRateBurstSeconds)) {}

Gate::Begun Gate::Begin(const Rpc& rpc, const grpc::ServerContext& context,
                        const google::protobuf::MessageLite& request) {
  const absl::Time now = options_.clock->Now();
  Begun begun{
      rpc, now,
      Call{options_.identity.Identify(context), DeadlineOf(context, now)},
      options_.admission->Enter()};
  if (!begun.ticket.ok()) return begun;
  const absl::Status checked = Check(rpc, begun.call, now, request);
  if (!checked.ok()) {
    return Begun{rpc, now, std::move(begun.call), checked};
  }
  return begun;
}

absl::Status Gate::Check(const Rpc& rpc, const Call& call, absl::Time now,
                         const google::protobuf::MessageLite& request) {
  if (call.deadline <= now) {
    return absl::DeadlineExceededError("server: the deadline has passed");
  }
  if (rpc.administrator && !call.caller.administrator) {
    return Refuse(v1::ADMINISTRATOR_REQUIRED,
                  "server: this call needs an administrator's certificate");
  }
  if (request.ByteSizeLong() > options_.request_bytes_max) {
    return Refuse(
        v1::REQUEST_TOO_LARGE,
        absl::StrCat("request: ", request.ByteSizeLong(),
                     " bytes, want at most ", options_.request_bytes_max));
  }
  if (rpc.unsealed) {
    KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                         options_.holder->Get());
    // What cannot be trusted any more answers nothing, not even reads.
    KMS_RETURN_IF_ERROR(instance->replica->health());
  }
  if (rpc.counts_as_challenge && !challenges_.Allow(call.caller.peer, now)) {
    return Refuse(v1::RATE_LIMITED,
                  "server: too many challenges from this address; wait");
  }
  return absl::OkStatus();
}

grpc::Status Gate::End(const Begun& begun, const absl::Status& status,
                       grpc::ServerContext& context) const {
  const absl::Duration took = options_.clock->Now() - begun.started;
  if (options_.metrics != nullptr) {
    options_.metrics->Count(begun.rpc.name,
                            status.ok() ? "OK" : RefusalName(RefusalOf(status)),
                            took);
  }
  options_.log->Write(
      LevelOf(status), "rpc",
      {{"rpc", begun.rpc.name},
       {"peer", begun.call.caller.peer},
       {"principal", begun.call.caller.principal},
       {"code", absl::StatusCodeToString(status.code())},
       {"refusal", status.ok() ? "" : RefusalName(RefusalOf(status))},
       {"reason", Reason(status)},
       {"microseconds", absl::StrCat(absl::ToInt64Microseconds(took))}});
  if (!status.ok() && RefusalOf(status) == v1::RATE_LIMITED) {
    // gRPC's own clients wait that long before they retry.
    context.AddTrailingMetadata(
        "grpc-retry-pushback-ms",
        absl::StrCat(absl::ToInt64Milliseconds(kRetryHint)));
  }
  return ToGrpcStatus(status);
}

}  // namespace kms::server
