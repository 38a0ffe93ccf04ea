// One line on a terminal that says how far a long transfer is.
#ifndef TOOLS_KMSCTL_WEIGHTS_PROGRESS_H_
#define TOOLS_KMSCTL_WEIGHTS_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace kms::kmsctl {

// "encrypting  43%  1.2 of 2.8 GiB, 1.9 GiB/s, 1s left". `spent` is above 0.
std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total,
                         absl::Duration spent);

// Writes to standard error, and only if that is a terminal: nothing else reads
// such a line. Thread-safe.
class WeightsProgress {
 public:
  explicit WeightsProgress(std::string what);
  ~WeightsProgress();  // Clears the line.

  // Before the first Add.
  void SetTotal(uint64_t bytes) { total_ = bytes; }
  void Add(uint64_t bytes);

 private:
  const std::string what_;
  const bool shown_;
  const absl::Time start_;
  uint64_t total_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<int64_t> next_nanos_ = 0;  // When the line is due again.
};

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_WEIGHTS_PROGRESS_H_
