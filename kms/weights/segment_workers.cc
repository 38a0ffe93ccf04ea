#include "kms/weights/segment_workers.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "kms/weights/limits.h"

namespace kms::weights {
namespace {

// The failure of the lowest index, so that the same damage is always reported
// in the same words.
class FirstFailure {
 public:
  void Note(uint64_t index, absl::Status status) {
    failed_ = true;
    const absl::MutexLock lock(&mutex_);
    if (!status_.ok() && index_ < index) return;
    index_ = index;
    status_ = std::move(status);
  }
  bool failed() const { return failed_; }
  absl::Status status() const {
    const absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  std::atomic<bool> failed_ = false;
  mutable absl::Mutex mutex_;
  uint64_t index_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

SegmentBuffers::~SegmentBuffers() {
  for (uint8_t* const buffer : {first_, second_}) {
    if (buffer == nullptr) continue;
    explicit_bzero(buffer, size_);
    free(buffer);
  }
}

absl::Span<uint8_t> SegmentBuffers::Get(uint8_t*& buffer, size_t size) {
  if (buffer == nullptr) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    buffer = static_cast<uint8_t*>(
        aligned_alloc(page, std::max(size_, page) / page * page));
    if (buffer == nullptr) abort();  // As operator new does without exceptions.
  }
  return {buffer, size};
}

unsigned ThreadsAvailable() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::clamp(static_cast<unsigned>(CPU_COUNT(&set)), 1u, kThreadsMax);
}

absl::Status ForEachSegment(
    uint64_t count, size_t segment_size, unsigned threads,
    absl::FunctionRef<absl::Status(uint64_t index, SegmentBuffers& buffers)>
        work) {
  if (threads == 0) threads = ThreadsAvailable();
  threads = static_cast<unsigned>(
      std::min<uint64_t>({threads, kThreadsMax, std::max<uint64_t>(count, 1)}));
  std::atomic<uint64_t> next = 0;
  FirstFailure failure;
  const auto run = [&] {
    SegmentBuffers buffers(segment_size);
    while (!failure.failed()) {
      const uint64_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= count) return;
      absl::Status status = work(index, buffers);
      if (!status.ok()) failure.Note(index, std::move(status));
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads - 1);
  for (unsigned i = 1; i < threads; ++i) {
    try {
      others.emplace_back(run);
    } catch (const std::system_error&) {
      break;  // The system's limit: those that there are do the work.
    }
  }
  run();
  for (std::thread& thread : others) thread.join();
  return failure.status();
}

}  // namespace kms::weights
