#include "kms/release/refusal_counter.h"

#include <algorithm>
#include <utility>

#include "kms/base/refusal.h"

namespace kms::release {

void RefusalCounter::Count(absl::string_view peer, const absl::Status& refusal,
                           absl::Time now) {
  const v1::RefusalCode code = RefusalOf(refusal);
  absl::MutexLock lock(&mutex_);
  ++counts_[code];
  if (recent_.size() == kRecentMax) recent_.pop_front();
  recent_.push_back(
      {now, std::string(peer), code, std::string(refusal.message())});
}

std::optional<::storage::v1::CountRefusals> RefusalCounter::Take(
    absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (counts_.empty()) {
    from_ = now;
    return std::nullopt;
  }
  ::storage::v1::CountRefusals taken;
  for (const auto& [code, count] : std::exchange(counts_, {})) {
    auto& entry = *taken.add_counts();
    entry.set_code(code);
    entry.set_count(count);
  }
  taken.set_from_us(absl::ToUnixMicros(std::exchange(from_, now)));
  taken.set_until_us(absl::ToUnixMicros(now));
  return taken;
}

void RefusalCounter::PutBack(const ::storage::v1::CountRefusals& counts) {
  absl::MutexLock lock(&mutex_);
  for (const auto& entry : counts.counts()) {
    counts_[entry.code()] += entry.count();
  }
  from_ = std::min(from_, absl::FromUnixMicros(counts.from_us()));
}

std::vector<RefusalCounter::Recent> RefusalCounter::recent() const {
  absl::MutexLock lock(&mutex_);
  return {recent_.begin(), recent_.end()};
}

}  // namespace kms::release
