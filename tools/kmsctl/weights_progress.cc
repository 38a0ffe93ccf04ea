#include "tools/kmsctl/weights_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace kms::kmsctl {
namespace {

constexpr absl::Duration kInterval = absl::Milliseconds(200);
constexpr double kGiB = 1024.0 * 1024 * 1024;

}  // namespace

std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total,
                         absl::Duration spent) {
  const double rate = static_cast<double>(done) / absl::ToDoubleSeconds(spent);
  const double left = static_cast<double>(total - done) / std::max(rate, 1.0);
  return absl::StrFormat(
      "%s %3.0f%%  %.1f of %.1f GiB, %.2f GiB/s, %.0fs left", what,
      total == 0
          ? 100.0
          : 100.0 * static_cast<double>(done) / static_cast<double>(total),
      static_cast<double>(done) / kGiB, static_cast<double>(total) / kGiB,
      rate / kGiB, left);
}

WeightsProgress::WeightsProgress(std::string what)
    : what_(std::move(what)),
      shown_(isatty(STDERR_FILENO) == 1),
      start_(absl::Now()) {}

WeightsProgress::~WeightsProgress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void WeightsProgress::Add(uint64_t bytes) {
  const uint64_t done = done_ += bytes;
  if (!shown_) return;
  // One of the workers writes the line, whoever is first to find it due.
  const int64_t now = absl::GetCurrentTimeNanos();
  int64_t due = next_nanos_;
  if (now < due || !next_nanos_.compare_exchange_strong(
                       due, now + absl::ToInt64Nanoseconds(kInterval))) {
    return;
  }
  const absl::Duration spent = absl::FromUnixNanos(now) - start_;
  std::fprintf(
      stderr, "\r%s\033[K",
      ProgressLine(what_, done, total_, std::max(spent, absl::Milliseconds(1)))
          .c_str());
}

}  // namespace kms::kmsctl
