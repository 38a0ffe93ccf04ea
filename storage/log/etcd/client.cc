#include "storage/log/etcd/client.h"

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/log/etcd/limits.h"

namespace kms::storage {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

std::shared_ptr<grpc::Channel> Connect(
    const std::string& address,
    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   Milliseconds(kReconnectDelayMin));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   Milliseconds(kReconnectDelayMax));
  // Despite its name, what one attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   Milliseconds(kConnectTimeout));
  // Otherwise channels to one address share a connection, and what is large
  // there holds up what is urgent (etcd issue 15402).
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Neither the environment nor DNS decides where the log is.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

// etcd's words, made harmless to a terminal.
std::string Shown(absl::string_view words) {
  std::string shown(words.substr(0, kEtcdWordsMax));
  for (char& c : shown) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return shown;
}

absl::Status Judge(const grpc::Status& status, const std::string& address) {
  const std::string& words = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::OK:
      return absl::OkStatus();
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      if (absl::StrContains(words, "database space exceeded")) {
        return absl::ResourceExhaustedError(
            "etcd: its space quota is exhausted (alarm NOSPACE); compact and "
            "defragment it or raise --quota-backend-bytes, then run etcdctl "
            "alarm disarm");
      }
      break;  // "too many requests": it did not look at this one.
    case grpc::StatusCode::INVALID_ARGUMENT:
      if (absl::StrContains(words, "request is too large")) {
        return absl::ResourceExhaustedError(
            "etcd: it refuses a request of a batch's size, want "
            "--max-request-bytes of at least 1572864, its default");
      }
      return absl::InternalError(
          absl::StrCat("etcd: invalid request: ", Shown(words)));
    case grpc::StatusCode::OUT_OF_RANGE:
      return absl::OutOfRangeError("etcd: the revision was compacted");
    case grpc::StatusCode::DATA_LOSS:
      return Refuse(v1::DATA_LOSS,
                    absl::StrCat("etcd: it is corrupt: ", Shown(words)));
    default:
      break;
  }
  return absl::UnavailableError(
      absl::StrCat("etcd: ", address, ": code ",
                   static_cast<int>(status.error_code()), ", ", Shown(words)));
}

std::string ClusterName(uint64_t id) {
  return Hex(ByteWriter().U64Be(id).str());
}

}  // namespace

EtcdClient::EtcdClient(const EtcdEndpoints& endpoints, uint64_t cluster_id)
    : timeout_ms_(absl::ToInt64Milliseconds(kCallTimeoutMin)),
      cluster_id_(cluster_id) {
  const auto credentials =
      grpc::SslCredentials({endpoints.ca_certificates, endpoints.private_key,
                            endpoints.certificate});
  for (const std::string& address : endpoints.addresses) {
    const auto channel = Connect(address, credentials);
    endpoints_.push_back({address, etcdserverpb::KV::NewStub(channel),
                          etcdserverpb::Watch::NewStub(channel),
                          etcdserverpb::Maintenance::NewStub(channel)});
  }
}

absl::Status EtcdClient::CheckCluster(
    const etcdserverpb::ResponseHeader& header) {
  uint64_t pinned = 0;
  if (header.cluster_id() == 0 ||
      (!cluster_id_.compare_exchange_strong(pinned, header.cluster_id()) &&
       pinned != header.cluster_id())) {
    return absl::UnavailableError(absl::StrCat("etcd: an answer of cluster ",
                                               ClusterName(header.cluster_id()),
                                               ", want ", ClusterName(pinned)));
  }
  return absl::OkStatus();
}

bool EtcdClient::Enter(grpc::ClientContext& call) {
  absl::MutexLock lock(&mutex_);
  if (!stopped_) calls_.insert(&call);
  return !stopped_;
}

void EtcdClient::Exit(grpc::ClientContext& call) {
  absl::MutexLock lock(&mutex_);
  calls_.erase(&call);
}

void EtcdClient::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  for (grpc::ClientContext* const call : calls_) call->TryCancel();
}

template <typename Response, typename CallFn>
absl::StatusOr<Response> EtcdClient::Call(size_t tries,
                                          absl::Duration timeout_min,
                                          CallFn call) {
  absl::Status failed;
  size_t strangers = 0;
  for (size_t i = 0; i < tries; ++i) {
    const size_t current = current_;
    Endpoint& endpoint = At(current);
    const absl::Duration timeout =
        std::max(absl::Milliseconds(timeout_ms_.load()), timeout_min);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    if (!Enter(context)) {
      return absl::UnavailableError("etcd: this instance stops");
    }
    const grpc::Status status = call(endpoint, context, response);
    Exit(context);
    failed = Judge(status, endpoint.address);
    if (failed.ok()) {
      failed = CheckCluster(response.header());
      if (!failed.ok()) ++strangers;
    }
    if (failed.ok()) {
      timeout_ms_ = absl::ToInt64Milliseconds(kCallTimeoutMin);
      return response;
    }
    if (!absl::IsUnavailable(failed)) return failed;
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
      timeout_ms_ =
          absl::ToInt64Milliseconds(std::min(2 * timeout, kCallTimeoutMax));
    }
    Leave(current);
  }
  if (strangers == endpoints_.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        failed.message(),
        "; it was replaced: configure the right one, or begin a new epoch"));
  }
  return failed;
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::TryTxn(
    const etcdserverpb::TxnRequest& request) {
  return Call<etcdserverpb::TxnResponse>(
      1, absl::ZeroDuration(),
      [&](Endpoint& endpoint, grpc::ClientContext& context,
          etcdserverpb::TxnResponse& response) {
        return endpoint.kv->Txn(&context, request, &response);
      });
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Get(
    const etcdserverpb::TxnRequest& request, absl::Duration timeout) {
  return Call<etcdserverpb::TxnResponse>(
      endpoints_.size(), timeout,
      [&](Endpoint& endpoint, grpc::ClientContext& context,
          etcdserverpb::TxnResponse& response) {
        return endpoint.kv->Txn(&context, request, &response);
      });
}

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::Range(
    const etcdserverpb::RangeRequest& request, absl::Duration timeout) {
  return Call<etcdserverpb::RangeResponse>(
      endpoints_.size(), timeout,
      [&](Endpoint& endpoint, grpc::ClientContext& context,
          etcdserverpb::RangeResponse& response) {
        return endpoint.kv->Range(&context, request, &response);
      });
}

absl::Status EtcdClient::Compact(int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  const absl::Status status =
      Call<etcdserverpb::CompactionResponse>(
          endpoints_.size(), absl::ZeroDuration(),
          [&](Endpoint& endpoint, grpc::ClientContext& context,
              etcdserverpb::CompactionResponse& response) {
            return endpoint.kv->Compact(&context, request, &response);
          })
          .status();
  return absl::IsOutOfRange(status) ? absl::OkStatus() : status;
}

std::vector<LogMember> EtcdClient::Members() {
  std::vector<LogMember> members;
  for (Endpoint& endpoint : endpoints_) {
    LogMember& member = members.emplace_back();
    member.address = endpoint.address;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kCallTimeoutMin));
    etcdserverpb::StatusResponse response;
    member.status = Judge(endpoint.maintenance->Status(&context, {}, &response),
                          member.address);
    if (member.status.ok()) member.status = CheckCluster(response.header());
    if (!member.status.ok()) continue;
    member.version = Shown(response.version());
    member.member_id = response.header().member_id();
    member.leader_id = response.leader();
    member.bytes = response.db_size();
    member.bytes_in_use = response.db_size_in_use();
    for (const std::string& words : response.errors()) {
      member.alarms.push_back(Shown(words));
    }
  }
  return members;
}

etcdserverpb::Watch::Stub& EtcdClient::watch(size_t endpoint) {
  return *At(endpoint).watch;
}

void EtcdClient::Leave(size_t endpoint) {
  current_.compare_exchange_strong(endpoint, endpoint + 1);
}

}  // namespace kms::storage
