#include "policy/verifier/verified_cache.h"

#include "kms/base/byte_writer.h"

namespace kms::policy {

VerifiedCacheKey& VerifiedCacheKey::Add(BytesView input) {
  ByteWriter length;
  length.U64Be(input.size());
  hasher_.Update(absl::string_view(length.str()));
  hasher_.Update(input);
  return *this;
}

std::shared_ptr<const void> VerifiedCache::FindAny(const std::string& key,
                                                   absl::Time time) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  if (time < entry->valid_from || time > entry->valid_until) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->item;
}

void VerifiedCache::Insert(const std::string& key,
                           std::shared_ptr<const void> item,
                           absl::Time valid_from, absl::Time valid_until,
                           size_t bytes) {
  if (bytes > kItemBytesMax || bytes > bytes_max_) return;
  absl::MutexLock lock(&mutex_);
  if (const auto found = index_.find(key); found != index_.end()) {
    Remove(found->second);
  }
  while (bytes_ + bytes > bytes_max_) Remove(std::prev(entries_.end()));
  entries_.push_front({key, std::move(item), valid_from, valid_until, bytes});
  index_[key] = entries_.begin();
  bytes_ += bytes;
}

void VerifiedCache::Remove(Entries::iterator entry) {
  bytes_ -= entry->bytes;
  index_.erase(entry->key);
  entries_.erase(entry);
}

size_t VerifiedCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace kms::policy
