#include "kms/server/cluster_part.h"

#include <grpc/grpc.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/server_builder.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/seal/limits.h"
#include "kms/seal/private_file.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

constexpr size_t kTokenBytesMin = 16;
constexpr size_t kTokenBytesMax = 4096;

// Between passes over the donors.
constexpr absl::Duration kJoinInterval = absl::Seconds(2);

// The part's thread looks for work this often.
constexpr absl::Duration kLookInterval = absl::Milliseconds(250);

absl::StatusOr<std::optional<Secret>> ReadToken(const std::string& path) {
  if (path.empty()) return std::optional<Secret>();
  KMS_ASSIGN_OR_RETURN(Secret token,
                       seal::ReadSecretFile(path, kTokenBytesMax));
  if (token.size() < kTokenBytesMin) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", token.size(), " bytes, want at least ", kTokenBytesMin));
  }
  return std::optional<Secret>(std::move(token));
}

// The donor did nothing, or nobody knows whether it did: another one may be
// asked the same.
bool OutcomeUnknown(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         RefusalOf(status) == v1::SEALED ||
         RefusalOf(status) == v1::RATE_LIMITED;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClusterPart>> ClusterPart::Create(
    const ClusterConfig& config, attester::Attester* attester,
    const InstanceHolder& holder, const Clock& clock, const EventLog& log,
    std::function<absl::Duration()> boot_time) {
  KMS_ASSIGN_OR_RETURN(PeerTls tls, ReadPeerTls(config));
  KMS_ASSIGN_OR_RETURN(std::optional<Secret> token,
                       ReadToken(config.development_token_file));
  return std::unique_ptr<ClusterPart>(
      new ClusterPart(config, attester, holder, clock, log,
                      std::move(boot_time), std::move(tls), std::move(token)));
}

ClusterPart::ClusterPart(const ClusterConfig& config,
                         attester::Attester* attester,
                         const InstanceHolder& holder, const Clock& clock,
                         const EventLog& log,
                         std::function<absl::Duration()> boot_time, PeerTls tls,
                         std::optional<Secret> token)
    : config_(config),
      attester_(attester),
      holder_(holder),
      clock_(clock),
      log_(log),
      tls_(std::move(tls)),
      token_(std::move(token)),
      keeper_(config.majority_guard) {
  std::vector<GrpcPeer*> peers;
  for (const std::string& address : config.peers) {
    peers_.push_back(std::make_unique<GrpcPeer>(address, tls_));
    peers.push_back(peers_.back().get());
  }
  snapshots_ = std::make_unique<PeerSnapshots>(peers, tls_.certificate_digest);
  cluster::HeadExchangeOptions exchange;
  exchange.holder = &holder_;
  exchange.keeper = &keeper_;
  exchange.peers.assign(peers.begin(), peers.end());
  exchange.certificate_digest = tls_.certificate_digest;
  exchange.boot_time = std::move(boot_time);
  exchange.on_peer = [this](const std::string& address,
                            const absl::Status& status) {
    Tell(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "heads", address,
         status);
  };
  exchange_ = std::make_unique<cluster::HeadExchange>(std::move(exchange));
}

void ClusterPart::Tell(LogLevel level, const char* event,
                       const std::string& peer,
                       const absl::Status& status) const {
  log_.Write(level, event,
             {{"peer", peer},
              {"code", absl::StatusCodeToString(status.code())},
              {"refusal", status.ok() ? "" : RefusalName(RefusalOf(status))},
              {"fault", std::string(status.message().substr(0, 512))}});
}

void ClusterPart::CameBySnapshot(storage::LogPosition position) {
  keeper_.CameBySnapshot(position);
  log_.Write(LogLevel::kWarning, "snapshot",
             {{"index", absl::StrCat(position.index)},
              {"note",
               "the log's trim had passed this instance; its state was "
               "copied from a peer"}});
}

absl::Status ClusterPart::Start(seal::Unsealer& unsealer,
                                std::function<void()> changed) {
  cluster::DonorOptions donor;
  donor.holder = &holder_;
  donor.root = &unsealer;
  donor.clock = &clock_;
  donor.guard = [this] { return Guard(); };
  if (token_.has_value()) {
    KMS_ASSIGN_OR_RETURN(donor.development_token, token_->Clone());
  }
  donor_ = std::make_unique<cluster::Donor>(std::move(donor));
  service_ = std::make_unique<PeerService>(PeerServiceOptions{
      &holder_, donor_.get(), exchange_.get(), &clock_, &log_});
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(
      static_cast<int>(cluster::kJoinEvidenceBytesMax) + kMessageSlackBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(config_.listen, tls_.server, &port_);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    return absl::UnavailableError("cluster: cannot listen for peers");
  }
  exchange_->Start();
  thread_ = std::thread(&ClusterPart::Run, this, &unsealer, std::move(changed));
  log_.Write(LogLevel::kInfo, "cluster",
             {{"port", absl::StrCat(port_)},
              {"peers", absl::StrCat(peers_.size())},
              {"release_guard", config_.majority_guard ? "majority" : "none"}});
  return absl::OkStatus();
}

bool ClusterPart::TakesOver(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return false;
  absl::MutexLock lock(&mutex_);
  reopen_ = true;
  return true;
}

void ClusterPart::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
  exchange_->Stop();
  if (server_ != nullptr) {
    server_->Shutdown(absl::ToChronoTime(clock_.Now()));
    server_->Wait();
    server_ = nullptr;
  }
}

void ClusterPart::Run(seal::Unsealer* unsealer, std::function<void()> changed) {
  std::optional<cluster::JoinAttempt> attempt;
  absl::Time next_join = absl::InfinitePast();
  for (;;) {
    bool reopen = false;
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLookInterval)) {
        return;
      }
      std::swap(reopen, reopen_);
    }
    if (reopen) {
      const absl::Status opened =
          unsealer->Reopen(clock_.Now() + seal::kSealTimeout);
      Tell(opened.ok() ? LogLevel::kInfo : LogLevel::kError, "reopened", "",
           opened);
      changed();
    }
    if (config_.join_cluster_id.empty() || unsealer->state().initialized ||
        clock_.Now() < next_join) {
      continue;
    }
    next_join = clock_.Now() + kJoinInterval;
    if (TryJoin(*unsealer, attempt)) changed();
  }
}

// One pass over the donors. True: this is an instance now, be it sealed.
bool ClusterPart::TryJoin(seal::Unsealer& unsealer,
                          std::optional<cluster::JoinAttempt>& attempt) {
  for (const auto& peer : peers_) {
    auto joined = AskToJoin(*peer, attempt);
    if (!joined.ok()) {
      Tell(LogLevel::kWarning, "join", peer->address(), joined.status());
      if (!OutcomeUnknown(joined.status())) attempt.reset();
      continue;
    }
    attempt.reset();
    const absl::Status opened = unsealer.Join(*std::move(joined));
    Tell(opened.ok() ? LogLevel::kInfo : LogLevel::kError, "join",
         peer->address(), opened);
    return true;
  }
  return false;
}

absl::StatusOr<seal::JoinedCluster> ClusterPart::AskToJoin(
    GrpcPeer& peer, std::optional<cluster::JoinAttempt>& attempt) {
  if (!attempt.has_value()) {
    KMS_ASSIGN_OR_RETURN(const v1::GetJoinChallengeResponse challenge,
                         peer.GetJoinChallenge());
    KMS_ASSIGN_OR_RETURN(const cluster::ProveFn prove, Prover());
    KMS_ASSIGN_OR_RETURN(
        attempt, cluster::JoinAttempt::Begin(
                     {config_.join_cluster_id, config_.join_identity_key},
                     challenge, prove));
  }
  KMS_ASSIGN_OR_RETURN(const v1::JoinResponse response,
                       peer.Join(attempt->request()));
  return attempt->Accept(response);
}

absl::StatusOr<cluster::ProveFn> ClusterPart::Prover() const {
  if (attester_ != nullptr) return cluster::ProveByEvidence(*attester_);
  if (!token_.has_value()) {
    return absl::FailedPreconditionError(
        "join: neither an attester nor a development token is configured");
  }
  KMS_ASSIGN_OR_RETURN(Secret token, token_->Clone());
  return cluster::ProveByToken(std::move(token));
}

}  // namespace kms::server
