// ChainCache remembers verified chains, so that verifying Evidence from a
// machine seen before costs the Evidence's own signature check only.
//
// A key is the digest of *every* input of the verification but the time:
// certificates, CRLs, anchors and rules; any change of them is another key.
// The time is checked on each hit against the span in which all of the
// inputs are in force. Refusals are not remembered.
// Thread-safe.
#ifndef KMS_CRYPTO_X509_CHAIN_CACHE_H_
#define KMS_CRYPTO_X509_CHAIN_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/chain.h"

namespace kms::x509 {

// Collects the inputs, each with its length, so that no two lists of inputs
// give the same key.
class ChainCacheKey {
 public:
  ChainCacheKey& Add(BytesView input);
  ChainCacheKey& Add(absl::string_view input) { return Add(AsBytes(input)); }
  std::string Finish() { return hasher_.Finish(); }

 private:
  crypto::Sha256Hasher hasher_;
};

class ChainCache {
 public:
  // Holds at most `entries_max` chains; the least recently used goes first. One
  // takes about three times its DER (parsed fields and keys): 15 KiB for a
  // vendor's.
  explicit ChainCache(size_t entries_max) : entries_max_(entries_max) {}
  ChainCache(const ChainCache&) = delete;
  ChainCache& operator=(const ChainCache&) = delete;

  // The chain stored under `key` if it is in force at `time`, or null.
  std::shared_ptr<const VerifiedChain> Find(const std::string& key,
                                            absl::Time time);
  // Does nothing with a path over kCachedPathBytesMax: a sender may dress the
  // anchor's key in a certificate of his own, as large as the parser allows.
  void Insert(const std::string& key,
              std::shared_ptr<const VerifiedChain> chain);

  size_t size() const;

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const VerifiedChain>>;

  const size_t entries_max_;
  mutable absl::Mutex mutex_;
  std::list<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // Newest use first.
  std::unordered_map<std::string, std::list<Entry>::iterator> index_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_CHAIN_CACHE_H_
