#include "kms/cluster/head_exchange.h"

#include <utility>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/head.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/vouch.h"
#include "storage/replica/replica.h"

namespace kms::cluster {

HeadExchange::HeadExchange(HeadExchangeOptions options)
    : options_(std::move(options)) {}

absl::StatusOr<std::string> HeadExchange::Take(
    const Instance& instance, const v1::Vouch& vouch,
    const v1::SignedHead& signed_head, absl::string_view certificate_digest) {
  const auto view = instance.replica->View();
  KMS_ASSIGN_OR_RETURN(const auto sender,
                       CheckVouch(*view, vouch, certificate_digest));
  KMS_ASSIGN_OR_RETURN(const v1::Head head,
                       OpenHead(signed_head, *view, sender));
  // One's own head proves nothing: an address of ours, or a copy of us.
  if (sender.instance_id() == instance.instance_id) {
    return sender.instance_id();
  }
  KMS_RETURN_IF_ERROR(options_.keeper->Recheck(*view));
  KMS_RETURN_IF_ERROR(
      options_.keeper->Received(head, *view, options_.boot_time()));
  const absl::Status verdict =
      options_.keeper->Verdict(*view, instance.instance_id);
  if (!verdict.ok()) {
    instance.replica->Halt(verdict);
    return verdict;
  }
  return sender.instance_id();
}

absl::StatusOr<v1::ExchangeResponse> HeadExchange::Answer(
    const v1::ExchangeRequest& request, absl::string_view certificate_digest) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  KMS_RETURN_IF_ERROR(
      Take(*instance, request.vouch(), request.head(), certificate_digest)
          .status());
  v1::ExchangeResponse response;
  *response.mutable_vouch() = MakeVouch(*instance, options_.certificate_digest);
  *response.mutable_head() = MakeHead(*instance, *instance->replica->View());
  return response;
}

absl::Status HeadExchange::Ask(PeerClient& peer) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  v1::ExchangeRequest request;
  *request.mutable_vouch() = MakeVouch(*instance, options_.certificate_digest);
  *request.mutable_head() = MakeHead(*instance, *instance->replica->View());
  KMS_ASSIGN_OR_RETURN(const PeerClient::Exchanged exchanged,
                       peer.Exchange(request));
  KMS_ASSIGN_OR_RETURN(
      const std::string id,
      Take(*instance, exchanged.response.vouch(), exchanged.response.head(),
           exchanged.certificate_digest));
  absl::MutexLock lock(&mutex_);
  addresses_[id] = peer.address();
  return absl::OkStatus();
}

absl::Status HeadExchange::Guard() const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       options_.holder->Get());
  return options_.keeper->Guard(*instance->replica->View(),
                                instance->instance_id, options_.boot_time());
}

std::map<std::string, std::string> HeadExchange::addresses() const {
  absl::MutexLock lock(&mutex_);
  return addresses_;
}

void HeadExchange::Start() {
  for (PeerClient* const peer : options_.peers) {
    threads_.emplace_back(&HeadExchange::Run, this, peer);
  }
}

void HeadExchange::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void HeadExchange::Run(PeerClient* peer) {
  absl::StatusCode told = absl::StatusCode::kOk;
  for (;;) {
    const absl::Status asked = Ask(*peer);
    // A sealed instance has no head; that is no fault of the peer's.
    if (asked.code() != told && RefusalOf(asked) != v1::SEALED) {
      told = asked.code();
      if (options_.on_peer != nullptr) options_.on_peer(peer->address(), asked);
    }
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kHeadInterval)) {
      return;
    }
  }
}

}  // namespace kms::cluster
