#include "storage/replica/log_keeper.h"

#include <algorithm>

#include "storage/replica/limits.h"

namespace kms::storage {

LogKeeper::LogKeeper(LogPosition applied, absl::Duration now)
    : marks_({{applied, 0, now}}), applied_(applied), flushed_(applied) {}

void LogKeeper::Applied(LogPosition position, uint64_t bytes,
                        absl::Duration now) {
  applied_ = position;
  bytes_ += bytes;
  const Mark& last = marks_.back();
  if (bytes_ - last.bytes >= kMarkBytes || now - last.at >= kMarkInterval) {
    marks_.push_back({position, bytes_, now});
  }
  // The oldest marks name nothing that a later one does not.
  while (marks_.size() > 1 && marks_[1].position <= trimmed_) {
    marks_.pop_front();
  }
}

void LogKeeper::Flushed(LogPosition position) {
  flushed_ = std::max(flushed_, position);
  flushed_bytes_ = bytes_;
}

LogPosition LogKeeper::Forgettable(absl::Duration now) const {
  LogPosition forget;
  for (const Mark& mark : marks_) {
    if (bytes_ - mark.bytes <= kLogBytesKept && now - mark.at <= kLogTimeKept) {
      break;
    }
    forget = mark.position;
  }
  return forget;
}

bool LogKeeper::FlushDue(absl::Duration now) const {
  if (flushed_ == applied_) return false;
  return bytes_ - flushed_bytes_ >= kUnflushedBytesMax ||
         Forgettable(now) > flushed_;
}

LogPosition LogKeeper::TrimDue(absl::Duration now) const {
  const LogPosition forget = std::min(Forgettable(now), flushed_);
  if (forget.index == 0 || forget <= trimmed_) return {};
  return forget;
}

}  // namespace kms::storage
