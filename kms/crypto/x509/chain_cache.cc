#include "kms/crypto/x509/chain_cache.h"

#include "kms/base/byte_writer.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/limits.h"

namespace kms::x509 {

ChainCacheKey& ChainCacheKey::Add(BytesView input) {
  ByteWriter length;
  length.U64Be(input.size());
  hasher_.Update(absl::string_view(length.str()));
  hasher_.Update(input);
  return *this;
}

std::shared_ptr<const VerifiedChain> ChainCache::Find(const std::string& key,
                                                      absl::Time time) {
  absl::MutexLock lock(&mutex_);
  const auto found = index_.find(key);
  if (found == index_.end()) return nullptr;
  const std::shared_ptr<const VerifiedChain> chain = found->second->second;
  if (time < chain->valid_from || time > chain->valid_until) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return chain;
}

void ChainCache::Insert(const std::string& key,
                        std::shared_ptr<const VerifiedChain> chain) {
  size_t bytes = 0;
  for (const Certificate& certificate : chain->path) {
    bytes += certificate.der().size();
  }
  if (bytes > kCachedPathBytesMax) return;
  absl::MutexLock lock(&mutex_);
  if (const auto found = index_.find(key); found != index_.end()) {
    entries_.erase(found->second);
    index_.erase(found);
  }
  entries_.emplace_front(key, std::move(chain));
  index_[key] = entries_.begin();
  if (entries_.size() > entries_max_) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

size_t ChainCache::size() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace kms::x509
