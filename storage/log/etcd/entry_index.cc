#include "storage/log/etcd/entry_index.h"

namespace kms::storage {

void EntryIndex::Add(uint64_t index, const BatchId& id) {
  absl::MutexLock lock(&mutex_);
  const uint64_t next = before_ + ids_.size() + 1;
  if (index > before_ && index < next) return;  // Read again.
  if (index != next) {
    ids_.clear();
    before_ = index - 1;
  }
  ids_.push_back(id);
}

std::optional<std::vector<BatchId>> EntryIndex::Between(
    uint64_t after, uint64_t through) const {
  absl::MutexLock lock(&mutex_);
  if (after < before_ || through > before_ + ids_.size()) return std::nullopt;
  const auto first = ids_.begin() + static_cast<int64_t>(after - before_);
  return std::vector<BatchId>(first,
                              first + static_cast<int64_t>(through - after));
}

void EntryIndex::Forget(uint64_t through) {
  absl::MutexLock lock(&mutex_);
  while (before_ < through && !ids_.empty()) {
    ids_.pop_front();
    ++before_;
  }
}

}  // namespace kms::storage
