#include "storage/log/etcd/watch_stream.h"

#include <utility>

#include "absl/time/clock.h"

namespace kms::storage {
namespace {

using ::etcdserverpb::WatchRequest;
using ::etcdserverpb::WatchResponse;

// What the queue's events are about.
enum Tag : uintptr_t { kStart = 1, kWrite, kRead, kFinish, kInterrupt };
void* AsTag(Tag tag) { return reinterpret_cast<void*>(tag); }

}  // namespace

struct WatchStream::Stream {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<WatchRequest, WatchResponse>>
      call;
  WatchRequest request;
  WatchResponse response;
  grpc::Status status;
  int pending = 0;  // Operations that the queue still owes an event of.
  bool started = false;
  bool reading = false;
};

WatchStream::WatchStream() = default;

WatchStream::~WatchStream() {
  Stop();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void WatchStream::Start(etcdserverpb::Watch::Stub& stub,
                        const etcdserverpb::WatchCreateRequest& create) {
  Stop();
  stream_ = std::make_unique<Stream>();
  stream_->context.AddMetadata("hasleader", "true");
  *stream_->request.mutable_create_request() = create;
  stream_->call = stub.PrepareAsyncWatch(&stream_->context, &queue_);
  stream_->call->StartCall(AsTag(kStart));
  stream_->pending = 1;
}

void WatchStream::Stop() {
  if (stream_ == nullptr) return;
  stream_->context.TryCancel();
  bool finishing = false;
  while (stream_->pending > 0 || !finishing) {
    if (stream_->pending == 0) {
      finishing = true;
      stream_->call->Finish(&stream_->status, AsTag(kFinish));
      stream_->pending = 1;
    }
    void* tag = nullptr;
    bool ok = false;
    if (!queue_.Next(&tag, &ok)) break;
    if (tag == AsTag(kInterrupt)) {
      interrupted_ = true;
    } else {
      --stream_->pending;
    }
  }
  stream_.reset();
}

WatchStream::Outcome WatchStream::Next(absl::Time deadline,
                                       WatchResponse& response) {
  for (;;) {
    if (std::exchange(interrupted_, false)) {
      absl::MutexLock lock(&mutex_);
      alarm_.reset();
      return Outcome::kInterrupted;
    }
    if (stream_ == nullptr) return Outcome::kEnded;
    Stream& stream = *stream_;
    if (stream.started && !stream.reading) {
      stream.call->Read(&stream.response, AsTag(kRead));
      stream.reading = true;
      ++stream.pending;
    }
    void* tag = nullptr;
    bool ok = false;
    switch (queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(deadline))) {
      case grpc::CompletionQueue::TIMEOUT:
        return Outcome::kTimeout;
      case grpc::CompletionQueue::SHUTDOWN:
        return Outcome::kEnded;
      case grpc::CompletionQueue::GOT_EVENT:
        break;
    }
    if (tag == AsTag(kInterrupt)) {
      interrupted_ = true;
      continue;
    }
    --stream.pending;
    if (!ok) {
      Stop();
      continue;
    }
    if (tag == AsTag(kStart)) {
      stream.started = true;
      stream.call->Write(stream.request, AsTag(kWrite));
      ++stream.pending;
    } else if (tag == AsTag(kRead)) {
      stream.reading = false;
      response = std::move(stream.response);
      stream.response.Clear();
      return Outcome::kResponse;
    }
  }
}

void WatchStream::Interrupt() {
  absl::MutexLock lock(&mutex_);
  if (alarm_ != nullptr) return;
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(&queue_, absl::ToChronoTime(absl::Now()), AsTag(kInterrupt));
}

}  // namespace kms::storage
