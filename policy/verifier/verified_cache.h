// VerifiedCache remembers what was verified - certificate chains, signed
// collateral, manifests - so that Evidence from a machine seen before costs
// its own signature check only.
//
// A key is the digest of *every* input of the verification but the time:
// the bytes, the anchors, the rules and what kind of thing was made of them;
// any change is another key. The time is checked on each hit against the span
// in which all of the inputs are in force. Refusals are not remembered.
// Thread-safe.
#ifndef POLICY_VERIFIER_VERIFIED_CACHE_H_
#define POLICY_VERIFIER_VERIFIED_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"

namespace kms::policy {

// Collects the inputs, each with its length, so that no two lists of inputs
// give the same key.
class VerifiedCacheKey {
 public:
  // `kind` names the type that is kept under the key, "sev-snp chain": two
  // types never share one.
  explicit VerifiedCacheKey(absl::string_view kind) { Add(kind); }

  VerifiedCacheKey& Add(BytesView input);
  VerifiedCacheKey& Add(absl::string_view input) { return Add(AsBytes(input)); }
  std::string Finish() { return hasher_.Finish(); }

 private:
  crypto::Sha256Hasher hasher_;
};

class VerifiedCache {
 public:
  // A sender may dress a known key in a certificate as large as the parser
  // allows; he shall not fill the memory with it.
  static constexpr size_t kItemBytesMax = 64 * 1024;

  // Holds items of at most `bytes_max` together; the least recently used goes
  // first.
  explicit VerifiedCache(size_t bytes_max) : bytes_max_(bytes_max) {}
  VerifiedCache(const VerifiedCache&) = delete;
  VerifiedCache& operator=(const VerifiedCache&) = delete;

  // What is stored under `key` if it is in force at `time`, or null. T must be
  // the type that was inserted: the key's kind stands for it.
  template <typename T>
  std::shared_ptr<const T> Find(const std::string& key, absl::Time time) {
    return std::static_pointer_cast<const T>(FindAny(key, time));
  }

  // `valid_from` and `valid_until` are included. `bytes`: what the item takes,
  // roughly; over kItemBytesMax it is not kept.
  void Insert(const std::string& key, std::shared_ptr<const void> item,
              absl::Time valid_from, absl::Time valid_until, size_t bytes);

  size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const void> item;
    absl::Time valid_from, valid_until;
    size_t bytes = 0;
  };
  using Entries = std::list<Entry>;

  std::shared_ptr<const void> FindAny(const std::string& key, absl::Time time);
  void Remove(Entries::iterator entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t bytes_max_;
  mutable absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);  // Newest use first.
  std::unordered_map<std::string, Entries::iterator> index_
      ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_VERIFIED_CACHE_H_
