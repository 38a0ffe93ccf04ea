#include "kms/server/server.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "kms/admin/policy_handlers.h"
#include "kms/attester/make_attester.h"
#include "kms/attester/server_transcript.h"
#include "kms/audit/audit_handlers.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/cluster_handlers.h"
#include "kms/collateral/collateral_handlers.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/key_handlers.h"
#include "kms/lifecycle/key_watch.h"
#include "kms/lifecycle/rotator.h"
#include "kms/metrics/call_metrics.h"
#include "kms/metrics/endpoint.h"
#include "kms/metrics/instance_metrics.h"
#include "kms/release/release_handler.h"
#include "kms/seal/seal_handlers.h"
#include "kms/seal/unsealer.h"
#include "kms/server/admission.h"
#include "kms/server/audit_service.h"
#include "kms/server/auto_unseal.h"
#include "kms/server/caller_identity.h"
#include "kms/server/cluster_part.h"
#include "kms/server/cluster_service.h"
#include "kms/server/collateral_fetch.h"
#include "kms/server/collateral_service.h"
#include "kms/server/gate.h"
#include "kms/server/heartbeat.h"
#include "kms/server/key_service.h"
#include "kms/server/limits.h"
#include "kms/server/policy_service.h"
#include "kms/server/seal_service.h"
#include "kms/server/server_evidence.h"
#include "kms/server/server_evidence_service.h"
#include "kms/server/status_handler.h"
#include "kms/server/status_service.h"
#include "kms/server/tls.h"
#include "kms/server/watch_service.h"
#include "kms/server/workload_service.h"

namespace kms::server {
namespace {

absl::Duration BootTime() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

// What an operator must not overlook, at every start and in every status.
std::vector<std::string> Warnings(const Config& config) {
  std::vector<std::string> warnings;
  if (config.seal.kind == seal::SealKind::kDevelopment) {
    warnings.push_back(
        "development seal: the root key lies in a file; whoever copies the "
        "disk has every key");
  }
  if (config.seal_before.has_value()) {
    warnings.push_back(
        "seal.before is set: the root key can be moved (kmsctl seal migrate); "
        "once it is, take it out of the configuration");
  }
  if (!config.simulated_anchors.empty()) {
    warnings.push_back(
        "simulated trust anchors are enabled: Evidence may come from a "
        "simulator");
  }
  if (!config.cluster.development_token_file.empty()) {
    warnings.push_back(
        "development join token: any machine whose operator has read it can "
        "join, and then has every key");
  }
  if (config.administrators.empty()) {
    warnings.push_back(
        "administrators: every certificate of the administrators' CA may "
        "administer");
  }
  return warnings;
}

seal::UnsealerOptions UnsealerOptionsOf(
    const Config& config, const Clock& clock, InstanceHolder& holder,
    std::function<void(const absl::Status&)> on_fatal,
    std::function<void(const absl::Status&)> on_evidence_lost) {
  seal::UnsealerOptions options;
  options.data_dir = config.data_dir;
  options.seal = config.seal;
  options.seal_before = config.seal_before;
  options.simulated_anchors = config.simulated_anchors;
  options.collateral_max_ages = config.collateral.max_ages;
  options.evidence_retention = config.evidence_retention;
  options.scrub_interval = config.scrub_interval;
  options.clock = &clock;
  options.holder = &holder;
  options.on_fatal = std::move(on_fatal);
  options.on_evidence_lost = std::move(on_evidence_lost);
  return options;
}

release::ReleaseOptions ReleaseOptionsOf(const Config& config,
                                         const ClusterPart* cluster) {
  release::ReleaseOptions options;
  options.challenge_lifetime = config.challenge_ttl;
  options.releases_per_second = config.limits.releases_per_second;
  options.releases_burst =
      std::max(1.0, config.limits.releases_per_second * kRateBurstSeconds);
  options.boot_time = BootTime;
  if (cluster != nullptr) {
    options.guard = [cluster] { return cluster->Guard(); };
  }
  return options;
}

// How this instance proves itself. The digest is of the key that clients see;
// empty, as the attester is null, where nothing is configured.
struct SelfProof {
  std::unique_ptr<attester::Attester> attester;
  std::string tls_key_digest;
};

absl::StatusOr<SelfProof> SelfProofOf(const Config& config) {
  SelfProof proof;
  proof.attester = attester::MakeAttester(config.attester);
  if (proof.attester == nullptr) return proof;
  KMS_ASSIGN_OR_RETURN(const std::string pem,
                       ReadPublicPem(config.tls.certificate));
  absl::StatusOr<std::string> digest = attester::TlsKeyDigest(pem);
  // Clients compare it with what they see: it must be readable for them too.
  if (!digest.ok()) return Annotate(digest.status(), config.tls.certificate);
  proof.tls_key_digest = *std::move(digest);
  return proof;
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Source: threats.md, section 6, "gRPC 1.51.1"; each bound's reason is in
// limits.h.
void Bound(grpc::ServerBuilder& builder, const Limits& limits) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits.request_bytes) +
                                   kMessageSlackBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytesMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                             Milliseconds(kConnectionAgeMax));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             Milliseconds(kConnectionAgeGrace));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             Milliseconds(kConnectionIdleMax));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             Milliseconds(kKeepaliveInterval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(kKeepaliveTimeout));
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
      Milliseconds(kPingIntervalMin));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, kPingStrikesMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             Milliseconds(kHandshakeTimeout));
  // Per-call bookkeeping that nobody reads, and pings to estimate a bandwidth
  // that messages of kilobytes never fill.
  builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // Two processes on one port would share the clients between a sealed and an
  // unsealed instance.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Our own admission refuses first, with a code; this is the wall behind it.
  grpc::ResourceQuota quota("kmsd");
  quota.SetMaxThreads(static_cast<int>(limits.requests_in_flight) +
                      kSpareThreads);
  builder.SetResourceQuota(quota);
  // A thread that has answered stays to poll, up to as many as may work at
  // once: with fewer, nearly every request under load would end one thread and
  // start another, and a new thread makes its random generators and contexts
  // anew. Those that find nothing to do for ten seconds end.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, kCompletionQueues);
  builder.SetSyncServerOption(
      grpc::ServerBuilder::MAX_POLLERS,
      std::max(kPollersMin, static_cast<int>(limits.requests_in_flight) /
                                kCompletionQueues));
}

}  // namespace

// Members are destroyed from the bottom up: what calls before what is called.
class Server::Impl {
 public:
  static absl::StatusOr<std::unique_ptr<Impl>> Start(
      const Config& config, const Clock& clock, const EventLog& log,
      std::function<void(const absl::Status&)> on_fatal) {
    auto holder = std::make_unique<InstanceHolder>();
    KMS_ASSIGN_OR_RETURN(SelfProof proof, SelfProofOf(config));
    std::unique_ptr<ClusterPart> cluster;
    if (!config.cluster.listen.empty()) {
      KMS_ASSIGN_OR_RETURN(
          cluster, ClusterPart::Create(config.cluster, proof.attester.get(),
                                       *holder, clock, log, BootTime));
    }
    const auto told = [&log, on_fatal,
                       cluster = cluster.get()](const absl::Status& status) {
      log.Write(LogLevel::kError, "fatal",
                {{"code", absl::StatusCodeToString(status.code())},
                 {"fault", std::string(status.message())}});
      if (cluster == nullptr || !cluster->TakesOver(status)) on_fatal(status);
    };
    const auto evidence_lost = [&log](const absl::Status& status) {
      log.Write(LogLevel::kError, "evidence archive",
                {{"code", absl::StatusCodeToString(status.code())},
                 {"fault", std::string(status.message())}});
    };
    seal::UnsealerOptions options =
        UnsealerOptionsOf(config, clock, *holder, told, evidence_lost);
    if (config.etcd.has_value()) {
      KMS_ASSIGN_OR_RETURN(storage::EtcdEndpoints endpoints,
                           EtcdTls(*config.etcd));
      options.etcd =
          storage::EtcdLogOptions{std::move(endpoints), config.etcd->prefix};
    }
    if (cluster != nullptr) {
      options.snapshots = &cluster->snapshots();
      options.on_snapshot = [cluster =
                                 cluster.get()](storage::LogPosition position) {
        cluster->CameBySnapshot(position);
      };
    }
    KMS_ASSIGN_OR_RETURN(std::unique_ptr<seal::Unsealer> unsealer,
                         seal::Unsealer::Open(std::move(options)));
    std::unique_ptr<metrics::Endpoint> metrics;
    if (!config.metrics_listen.empty()) {
      KMS_ASSIGN_OR_RETURN(metrics,
                           metrics::Endpoint::Open(config.metrics_listen));
    }
    std::unique_ptr<Impl> impl(
        new Impl(config, clock, log, std::move(holder), std::move(proof),
                 std::move(cluster), std::move(unsealer), std::move(metrics)));
    KMS_RETURN_IF_ERROR(impl->Listen());
    return impl;
  }

  ~Impl() { Drain(); }

  const std::vector<int>& ports() const { return ports_; }

  void Drain() {
    if (drained_) return;
    drained_ = true;
    heartbeat_.Drain();
    if (cluster_ != nullptr) cluster_->Stop();
    if (grpc_ != nullptr) {
      log_.Write(LogLevel::kInfo, "draining",
                 {{"in_flight", absl::StrCat(admission_.in_flight())}});
      ShutDownGrpc();
    }
    auto_unseal_.Stop();
    heartbeat_.Stop();
    if (fetch_ != nullptr) fetch_->Stop();
    if (metrics_ != nullptr) metrics_->Close();
    unsealer_.reset();
    log_.Write(LogLevel::kInfo, "stopped", {});
  }

 private:
  Impl(const Config& config, const Clock& clock, const EventLog& log,
       std::unique_ptr<InstanceHolder> holder, SelfProof proof,
       std::unique_ptr<ClusterPart> cluster,
       std::unique_ptr<seal::Unsealer> unsealer,
       std::unique_ptr<metrics::Endpoint> metrics)
      : config_(config),
        clock_(clock),
        log_(log),
        holder_(std::move(holder)),
        attester_(std::move(proof.attester)),
        cluster_(std::move(cluster)),
        unsealer_(std::move(unsealer)),
        admission_(config.limits.requests_in_flight),
        metrics_(std::move(metrics)),
        call_metrics_(
            metrics_ == nullptr
                ? nullptr
                : std::make_unique<metrics::CallMetrics>(metrics_->registry())),
        gate_(GateOptions{CallerIdentity(config.administrators),
                          config.limits.request_bytes,
                          config.limits.challenges_per_second, &admission_,
                          holder_.get(), &log, &clock, call_metrics_.get()}),
        status_(*unsealer_, *holder_, Warnings(config)),
        server_evidence_({attester_.get(), std::move(proof.tls_key_digest),
                          [this] { return unsealer_->state(); }, &clock}),
        release_(*holder_, clock, checkpoints_,
                 ReleaseOptionsOf(config, cluster_.get()), inputs_),
        keys_(*holder_, config.destruction_wait_min),
        rotator_(*holder_),
        watch_(*holder_),
        policies_(*holder_, inputs_),
        collateral_(*holder_, inputs_),
        audit_(*holder_, checkpoints_),
        seal_(*unsealer_),
        heartbeat_(HeartbeatOptions{holder_.get(), &status_, &checkpoints_,
                                    unsealer_.get(), &log, &clock,
                                    [this](absl::Time deadline) {
                                      const absl::Status told =
                                          release_.Tick(deadline);
                                      const absl::Status rotated =
                                          rotator_.Tick(deadline);
                                      return told.ok() ? rotated : told;
                                    }}),
        auto_unseal_(*unsealer_, log),
        status_service_(gate_, status_),
        server_evidence_service_(gate_, server_evidence_),
        seal_service_(gate_, seal_, heartbeat_),
        workload_service_(gate_, release_),
        key_service_(gate_, keys_),
        watch_service_(CallerIdentity(config.administrators), watch_, log),
        policy_service_(gate_, policies_),
        collateral_service_(gate_, collateral_),
        audit_service_(gate_, audit_) {
    if (!config.collateral.mirror.url.empty()) {
      fetch_ = std::make_unique<CollateralFetch>(config_.collateral.mirror,
                                                 *holder_, clock, log, inputs_);
    }
    if (cluster_ != nullptr) {
      cluster_service_ = std::make_unique<ClusterService>(
          gate_, cluster::ClusterHandlers({holder_.get(), &cluster_->keeper(),
                                           &cluster_->exchange(), BootTime,
                                           config.cluster.majority_guard}));
    }
  }

  absl::Status Listen() {
    KMS_ASSIGN_OR_RETURN(
        const std::shared_ptr<grpc::ServerCredentials> credentials,
        ServerTls(config_.tls));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    Bound(builder, config_.limits);
    ports_.resize(config_.listen.size());
    for (size_t i = 0; i < config_.listen.size(); ++i) {
      builder.AddListeningPort(config_.listen[i], credentials, &ports_[i]);
    }
    builder.RegisterService(&status_service_);
    builder.RegisterService(&server_evidence_service_);
    builder.RegisterService(&seal_service_);
    builder.RegisterService(&workload_service_);
    builder.RegisterService(&key_service_);
    builder.RegisterService(&watch_service_);
    builder.RegisterService(&policy_service_);
    builder.RegisterService(&collateral_service_);
    builder.RegisterService(&audit_service_);
    if (cluster_service_ != nullptr) {
      builder.RegisterService(cluster_service_.get());
    }
    grpc_ = builder.BuildAndStart();
    if (grpc_ == nullptr || std::count(ports_.begin(), ports_.end(), 0) != 0) {
      return absl::UnavailableError(
          "server: cannot listen; is an address taken, or the certificate not "
          "of its key?");
    }
    for (const std::string& warning : Warnings(config_)) {
      log_.Write(LogLevel::kWarning, "configuration", {{"warning", warning}});
    }
    grpc::HealthCheckServiceInterface* const health =
        grpc_->GetHealthCheckService();
    heartbeat_.Start(
        [health](bool serving) { health->SetServingStatus(serving); });
    if (fetch_ != nullptr) fetch_->Start();
    if (metrics_ != nullptr) {
      metrics_->Show(
          std::make_shared<metrics::InstanceMetrics>(metrics::InstanceSources{
              [this] { return status_.GetStatus(); },
              [this] { return admission_.in_flight(); }, holder_.get()}));
      log_.Write(LogLevel::kInfo, "metrics",
                 {{"port", absl::StrCat(metrics_->port())}});
    }
    watch_.Start();
    if (cluster_ != nullptr) {
      KMS_RETURN_IF_ERROR(
          cluster_->Start(*unsealer_, [this] { heartbeat_.ShowHealth(); }));
    }
    auto_unseal_.Start([this] { heartbeat_.ShowHealth(); });
    log_.Write(LogLevel::kInfo, "serving",
               {{"version", kVersion},
                {"port", absl::StrCat(ports_[0])},
                {"sealed", unsealer_->state().sealed ? "yes" : "no"}});
    return absl::OkStatus();
  }

  // gRPC's own graceful shutdown waits for each connection to be closed by its
  // client, and an idle client may not look at its connections for seconds. So
  // what is waited for is our calls; gRPC gets only as long as their answers
  // take to leave.
  void ShutDownGrpc() {
    if (!admission_.CloseAndWait(config_.drain_timeout)) {
      // What still waits for the log is answered by the replica that stops.
      unsealer_->Seal(clock_.Now()).IgnoreError();
    }
    watch_.Stop();
    grpc_->Shutdown(std::chrono::system_clock::now() +
                    absl::ToChronoNanoseconds(kAnswersLeaveTimeout));
    grpc_->Wait();
  }

  const Config config_;
  const Clock& clock_;
  const EventLog& log_;
  std::vector<int> ports_;
  bool drained_ = false;

  const std::unique_ptr<InstanceHolder> holder_;
  const std::unique_ptr<attester::Attester> attester_;  // Null: none.
  const std::unique_ptr<ClusterPart> cluster_;  // Null: a single instance.
  std::unique_ptr<seal::Unsealer> unsealer_;
  Admission admission_;
  std::unique_ptr<metrics::Endpoint> metrics_;  // Null: none; as is the next.
  std::unique_ptr<metrics::CallMetrics> call_metrics_;
  Gate gate_;

  StatusHandler status_;
  ServerEvidence server_evidence_;
  audit::CheckpointSigner checkpoints_;  // The only one.
  const std::shared_ptr<collateral::AppraisalInputsCache> inputs_ =
      std::make_shared<collateral::AppraisalInputsCache>();
  release::ReleaseHandler release_;
  lifecycle::KeyHandlers keys_;
  lifecycle::Rotator rotator_;
  lifecycle::KeyWatch watch_;
  admin::PolicyHandlers policies_;
  collateral::CollateralHandlers collateral_;
  audit::AuditHandlers audit_;
  seal::SealHandlers seal_;
  Heartbeat heartbeat_;
  AutoUnseal auto_unseal_;
  std::unique_ptr<CollateralFetch> fetch_;  // Null: no mirror.

  StatusService status_service_;
  ServerEvidenceService server_evidence_service_;
  SealService seal_service_;
  WorkloadService workload_service_;
  KeyService key_service_;
  WatchService watch_service_;
  PolicyService policy_service_;
  CollateralService collateral_service_;
  AuditService audit_service_;
  std::unique_ptr<ClusterService> cluster_service_;
  std::unique_ptr<grpc::Server> grpc_;
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() = default;

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const Config& config, const Clock& clock, const EventLog& log,
    std::function<void(const absl::Status&)> on_fatal) {
  KMS_ASSIGN_OR_RETURN(std::unique_ptr<Impl> impl,
                       Impl::Start(config, clock, log, std::move(on_fatal)));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

const std::vector<int>& Server::ports() const { return impl_->ports(); }

void Server::Drain() { impl_->Drain(); }

}  // namespace kms::server
