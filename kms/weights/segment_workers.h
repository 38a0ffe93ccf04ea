// A bounded pool of threads that goes through the segments of a file, each
// with buffers of its own that are made once.
// Thread-safe: a free function.
#ifndef KMS_WEIGHTS_SEGMENT_WORKERS_H_
#define KMS_WEIGHTS_SEGMENT_WORKERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"

namespace kms::weights {

// Two buffers of a segment's size, on pages of their own, zeroed at the end:
// plaintext goes through them. The second is there once it is asked for.
class SegmentBuffers {
 public:
  explicit SegmentBuffers(size_t size) : size_(size) {}
  SegmentBuffers(const SegmentBuffers&) = delete;
  SegmentBuffers& operator=(const SegmentBuffers&) = delete;
  ~SegmentBuffers();

  // REQUIRES: size is at most the segment's.
  absl::Span<uint8_t> First(size_t size) { return Get(first_, size); }
  absl::Span<uint8_t> Second(size_t size) { return Get(second_, size); }

 private:
  absl::Span<uint8_t> Get(uint8_t*& buffer, size_t size);

  const size_t size_;
  uint8_t* first_ = nullptr;
  uint8_t* second_ = nullptr;
};

// As many as this process may use processors.
unsigned ThreadsAvailable();

// Calls `work` once for each index below `count`, in about ascending order, on
// `threads` threads (0: ThreadsAvailable()), this one among them; fewer if the
// system gives fewer. After a failure no further index is begun. Returns the
// failure of the lowest index, or OK.
absl::Status ForEachSegment(
    uint64_t count, size_t segment_size, unsigned threads,
    absl::FunctionRef<absl::Status(uint64_t index, SegmentBuffers& buffers)>
        work);

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_SEGMENT_WORKERS_H_
