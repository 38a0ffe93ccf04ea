#include "storage/log/etcd/lying_etcd.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace kms::storage {
namespace {

// How often a call that hangs looks whether its client has given up.
constexpr absl::Duration kHangStep = absl::Milliseconds(10);

}  // namespace

class LyingEtcd::Service : public etcdserverpb::KV::Service,
                           public etcdserverpb::Watch::Service {
 public:
  explicit Service(const std::shared_ptr<grpc::Channel>& channel)
      : kv_(etcdserverpb::KV::NewStub(channel)),
        watch_(etcdserverpb::Watch::NewStub(channel)) {}

  void Tell(EtcdLies lies) {
    absl::MutexLock lock(&mutex_);
    lies_ = std::move(lies);
  }
  void EndWatches() {
    absl::MutexLock lock(&mutex_);
    ++watches_ended_;
  }

  grpc::Status Txn(grpc::ServerContext* context,
                   const etcdserverpb::TxnRequest* request,
                   etcdserverpb::TxnResponse* response) override {
    if (Hangs(*context)) return grpc::Status::CANCELLED;
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    const grpc::Status status = kv_->Txn(onward.get(), *request, response);
    const EtcdLies lies = Lies();
    return status.ok() && lies.txn ? lies.txn(*request, *response) : status;
  }

  grpc::Status Range(grpc::ServerContext* context,
                     const etcdserverpb::RangeRequest* request,
                     etcdserverpb::RangeResponse* response) override {
    if (Hangs(*context)) return grpc::Status::CANCELLED;
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    const grpc::Status status = kv_->Range(onward.get(), *request, response);
    const EtcdLies lies = Lies();
    if (status.ok() && lies.range) lies.range(*request, *response);
    return status;
  }

  grpc::Status Compact(grpc::ServerContext* context,
                       const etcdserverpb::CompactionRequest* request,
                       etcdserverpb::CompactionResponse* response) override {
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    return kv_->Compact(onward.get(), *request, response);
  }

  grpc::Status Watch(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<etcdserverpb::WatchResponse,
                               etcdserverpb::WatchRequest>* stream) override {
    if (Hangs(*context)) return grpc::Status::CANCELLED;
    etcdserverpb::WatchRequest request;
    if (!stream->Read(&request)) return grpc::Status::OK;
    const auto onward = grpc::ClientContext::FromServerContext(*context);
    const auto real = watch_->Watch(onward.get());
    real->Write(request);
    bool done = false;
    absl::Mutex mutex;
    std::thread ender([&] { AwaitEnd(mutex, done, *onward); });
    etcdserverpb::WatchResponse response;
    while (real->Read(&response)) {
      const EtcdLies lies = Lies();
      if (lies.watch && !lies.watch(response)) continue;
      if (!stream->Write(response)) break;
    }
    {
      absl::MutexLock lock(&mutex);
      done = true;
    }
    ender.join();
    onward->TryCancel();
    real->Finish();
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "ended");
  }

 private:
  EtcdLies Lies() {
    absl::MutexLock lock(&mutex_);
    return lies_;
  }

  bool Hangs(const grpc::ServerContext& context) {
    absl::MutexLock lock(&mutex_);
    const auto honest = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !lies_.hang;
    };
    while (!context.IsCancelled()) {
      if (mutex_.AwaitWithTimeout(absl::Condition(&honest), kHangStep)) {
        return false;
      }
    }
    return true;
  }

  // Cancels `call` at the next EndWatches, unless `done` comes first.
  void AwaitEnd(absl::Mutex& done_mutex, bool& done,
                grpc::ClientContext& call) {
    int before = 0;
    {
      absl::MutexLock lock(&mutex_);
      before = watches_ended_;
    }
    for (;;) {
      {
        absl::MutexLock lock(&done_mutex);
        if (done_mutex.AwaitWithTimeout(absl::Condition(&done), kHangStep)) {
          return;
        }
      }
      absl::MutexLock lock(&mutex_);
      if (watches_ended_ != before) {
        call.TryCancel();
        return;
      }
    }
  }

  const std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  const std::unique_ptr<etcdserverpb::Watch::Stub> watch_;
  absl::Mutex mutex_;
  EtcdLies lies_ ABSL_GUARDED_BY(mutex_);
  int watches_ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

LyingEtcd::LyingEtcd(const TestEtcd& real, size_t member) : real_(real) {
  const EtcdEndpoints to = real.endpoint(member);
  service_ = std::make_unique<Service>(grpc::CreateChannel(
      to.addresses[0], grpc::SslCredentials({to.ca_certificates, to.private_key,
                                             to.certificate})));
  grpc::SslServerCredentialsOptions tls(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = to.ca_certificates;
  tls.pem_key_cert_pairs = {{ReadTestFile(real.server_key_file()),
                             ReadTestFile(real.server_certificate_file())}};
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls),
                           &port_);
  builder.RegisterService(
      static_cast<etcdserverpb::KV::Service*>(service_.get()));
  builder.RegisterService(
      static_cast<etcdserverpb::Watch::Service*>(service_.get()));
  server_ = builder.BuildAndStart();
}

LyingEtcd::~LyingEtcd() {
  service_->Tell({});
  service_->EndWatches();
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

std::string LyingEtcd::address() const {
  return absl::StrCat("127.0.0.1:", port_);
}

EtcdEndpoints LyingEtcd::endpoint() const {
  EtcdEndpoints endpoint = real_.endpoint(0);
  endpoint.addresses = {address()};
  return endpoint;
}

void LyingEtcd::Tell(EtcdLies lies) { service_->Tell(std::move(lies)); }

void LyingEtcd::EndWatches() { service_->EndWatches(); }

}  // namespace kms::storage
