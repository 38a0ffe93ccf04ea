#include "kms/server/watch_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/refusal.h"
#include "kms/server/grpc_status.h"

namespace kms::server {
namespace {

// One stream. Writes one message at a time; what changes meanwhile waits, and
// only the newest of it. gRPC is called outside the lock.
class Stream final : public grpc::ServerWriteReactor<v1::WatchedKey>,
                     public lifecycle::KeyWatch::Watcher {
 public:
  static std::shared_ptr<Stream> Make(lifecycle::KeyWatch& watch) {
    std::shared_ptr<Stream> stream(new Stream(watch));
    stream->self_ = stream;  // Until OnDone, the last that gRPC calls.
    return stream;
  }

  void Tell(const v1::WatchedKey& key) override {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_.has_value()) return;
      if (writing_) {
        next_ = key;
        return;
      }
      writing_ = true;
      message_ = key;
    }
    StartWrite(&message_);
  }

  void End(const absl::Status& status) override {
    const grpc::Status end = ToGrpcStatus(status);
    {
      absl::MutexLock lock(&mutex_);
      if (ended_.has_value()) return;
      ended_ = end;
      if (writing_) return;  // OnWriteDone finishes it.
    }
    Finish(end);
  }

  void OnWriteDone(bool ok) override {
    grpc::Status end;
    {
      absl::MutexLock lock(&mutex_);
      if (!ok && !ended_.has_value()) ended_ = grpc::Status::CANCELLED;
      writing_ = !ended_.has_value() && next_.has_value();
      if (writing_) {
        message_ = *std::exchange(next_, std::nullopt);
      } else if (ended_.has_value()) {
        end = *ended_;
      } else {
        return;
      }
    }
    if (end.ok()) {
      StartWrite(&message_);
    } else {
      Finish(end);
    }
  }

  void OnCancel() override { End(absl::CancelledError("watch: cancelled")); }

  void OnDone() override {
    watch_.Remove(this);
    const std::shared_ptr<Stream> last = std::move(self_);
  }

 private:
  explicit Stream(lifecycle::KeyWatch& watch) : watch_(watch) {}

  lifecycle::KeyWatch& watch_;
  std::shared_ptr<Stream> self_;

  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<v1::WatchedKey> next_ ABSL_GUARDED_BY(mutex_);
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);  // Never OK.
  v1::WatchedKey message_;  // Of whoever set writing_.
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchedKey>* WatchService::WatchKey(
    grpc::CallbackServerContext* context, const v1::WatchKeyRequest* request) {
  const Caller caller = identity_.Identify(*context);
  const std::shared_ptr<Stream> stream = Stream::Make(watch_);
  const absl::Status status = watch_.Add(caller, *request, stream);
  log_.Write(LogLevel::kInfo, "rpc",
             {{"rpc", "KeyWatchService.WatchKey"},
              {"peer", caller.peer},
              {"principal", caller.principal},
              {"code", absl::StatusCodeToString(status.code())},
              {"refusal", status.ok() ? "" : RefusalName(RefusalOf(status))}});
  if (!status.ok()) stream->End(status);
  return stream.get();
}

}  // namespace kms::server
