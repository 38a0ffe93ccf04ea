#include "kms/base/rate_limiter.h"

#include <algorithm>

namespace kms {

double RateLimiter::TokensAt(const Bucket& bucket, absl::Time now) const {
  // A clock that went back adds nothing, and takes nothing away.
  const double seconds =
      std::max(0.0, absl::ToDoubleSeconds(now - bucket.filled));
  return std::min(burst_, bucket.tokens + seconds * per_second_);
}

bool RateLimiter::Allow(absl::string_view name, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = buckets_.find(name);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kBucketsMax) DropFullBuckets(now);
    // Still full of names that are spending: refuse the newcomer rather than
    // forget a flooder's debt.
    if (buckets_.size() >= kBucketsMax) return false;
    found = buckets_.emplace(std::string(name), Bucket{burst_, now}).first;
  }
  Bucket& bucket = found->second;
  bucket.tokens = TokensAt(bucket, now);
  bucket.filled = std::max(bucket.filled, now);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void RateLimiter::DropFullBuckets(absl::Time now) {
  absl::erase_if(buckets_, [&](const auto& entry) {
    return TokensAt(entry.second, now) >= burst_;
  });
}

}  // namespace kms
