#include "kms/admin/policy_cache.h"

#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::admin {

absl::StatusOr<CachedPolicy> PolicyCache::Get(absl::string_view name_space,
                                              absl::string_view name,
                                              uint32_t version,
                                              BytesView source) {
  CachedPolicy entry;
  entry.source_digest = crypto::Sha256(source);
  const std::string key = ByteWriter()
                              .Field(name_space)
                              .Field(name)
                              .U32Be(version)
                              .Field(entry.source_digest)
                              .Take();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
  }
  // Compiled outside the lock: two callers may both do it, once.
  KMS_ASSIGN_OR_RETURN(policy::CompiledPolicy compiled,
                       policy::Compile(AsStringView(source)));
  entry.policy =
      std::make_shared<const policy::CompiledPolicy>(std::move(compiled));

  absl::MutexLock lock(&mutex_);
  const auto raced = index_.find(key);
  if (raced != index_.end()) return raced->second->second;
  entries_.emplace_front(key, entry);
  index_.emplace(key, entries_.begin());
  if (entries_.size() > size_max_) {
    index_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return entry;
}

}  // namespace kms::admin
