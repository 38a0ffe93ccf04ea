// Token buckets by name: how often one peer may ask for work that costs
// signatures, and how often one key's refusals may enter the log.
// Thread-safe. Bounded: beyond kBucketsMax names the fullest buckets, which
// remember nothing that matters, are forgotten first.
#ifndef KMS_BASE_RATE_LIMITER_H_
#define KMS_BASE_RATE_LIMITER_H_

#include <cstddef>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace kms {

class RateLimiter {
 public:
  static constexpr size_t kBucketsMax = 65536;

  // `per_second` on average, `burst` at once; both above zero.
  RateLimiter(double per_second, double burst)
      : per_second_(per_second), burst_(burst) {}

  // Takes one token of `name`'s bucket; false if there is none at `now`.
  bool Allow(absl::string_view name, absl::Time now);

 private:
  struct Bucket {
    double tokens;
    absl::Time filled;
  };
  double TokensAt(const Bucket& bucket, absl::Time now) const;
  void DropFullBuckets(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double per_second_;
  const double burst_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms

#endif  // KMS_BASE_RATE_LIMITER_H_
