// Exponential back-off with full jitter: the n-th wait is uniform between 0
// and min(kWaitMax, kWaitFirst * 2^n), so that a fleet that boots together
// does not return together.
// Thread-compatible.
#ifndef TOOLS_KMS_AGENT_BACKOFF_H_
#define TOOLS_KMS_AGENT_BACKOFF_H_

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace kms::agent {

class Backoff {
 public:
  static constexpr absl::Duration kWaitFirst = absl::Milliseconds(100);
  static constexpr absl::Duration kWaitMax = absl::Seconds(10);

  // `uniform` gives numbers in [0, 1).
  explicit Backoff(std::function<double()> uniform)
      : uniform_(std::move(uniform)) {}

  absl::Duration Next() {
    const absl::Duration wait = bound_ * uniform_();
    bound_ = std::min(bound_ * 2, kWaitMax);
    return wait;
  }

 private:
  std::function<double()> uniform_;
  absl::Duration bound_ = kWaitFirst;
};

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_BACKOFF_H_
