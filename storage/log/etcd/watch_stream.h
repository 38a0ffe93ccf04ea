// One watch of etcd's at a time, whose answers its owner waits for with a
// deadline, and can be interrupted at.
//
// No thread of its own: the owner's drives the stream while it waits, and
// while it does not, the connection's flow control holds etcd back.
// Source: review.md 34 (require-leader). Owned by one thread; only Interrupt
// is thread-safe. It judges no answer.
#ifndef STORAGE_LOG_ETCD_WATCH_STREAM_H_
#define STORAGE_LOG_ETCD_WATCH_STREAM_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/etcd/server.grpc.pb.h"

namespace kms::storage {

class WatchStream {
 public:
  enum class Outcome { kResponse, kEnded, kTimeout, kInterrupted };

  WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;
  ~WatchStream();

  // Begins a watch, instead of the present one. `stub` outlives it. A member
  // that loses its leader ends it, rather than to fall silent.
  void Start(etcdserverpb::Watch::Stub& stub,
             const etcdserverpb::WatchCreateRequest& create);
  void Stop();

  // Waits for the next answer; kEnded at once if no watch was begun.
  Outcome Next(absl::Time deadline, etcdserverpb::WatchResponse& response);

  // Ends the wait in progress, or the next one.
  void Interrupt();

 private:
  struct Stream;

  grpc::CompletionQueue queue_;
  std::unique_ptr<Stream> stream_;
  bool interrupted_ = false;  // Seen while a stream was being ended.

  absl::Mutex mutex_;
  // Set: an interrupt is on its way through the queue.
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_WATCH_STREAM_H_
