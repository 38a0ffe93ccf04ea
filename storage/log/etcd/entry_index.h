// Which batch has which index: of the entries that were read here and are not
// trimmed yet. It is what a trim deletes by, without listing the whole log.
// Memory: 48 bytes an entry, of which a log keeps some 256 thousand.
// Thread-safe.
#ifndef STORAGE_LOG_ETCD_ENTRY_INDEX_H_
#define STORAGE_LOG_ETCD_ENTRY_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/log/log_position.h"

namespace kms::storage {

class EntryIndex {
 public:
  // An entry was read. Those known before are kept only if it follows them.
  void Add(uint64_t index, const BatchId& id);

  // The batches of the entries after `after` up to `through`; nothing if not
  // all of them are known.
  std::optional<std::vector<BatchId>> Between(uint64_t after,
                                              uint64_t through) const;

  // Those up to `through` are trimmed.
  void Forget(uint64_t through);

  size_t size() const {
    absl::MutexLock lock(&mutex_);
    return ids_.size();
  }

 private:
  mutable absl::Mutex mutex_;
  uint64_t before_ ABSL_GUARDED_BY(mutex_) = 0;  // The index before the first.
  std::deque<BatchId> ids_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_ENTRY_INDEX_H_
