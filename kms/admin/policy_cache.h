// Compiled policies, so that a release does not parse YAML. A compiled policy
// is found again by namespace, name, version and the SHA-256 of its document:
// a restored cluster that has another document under the same version does not
// get the old one.
// Thread-safe. Bounded; the least recently used entry goes.
#ifndef KMS_ADMIN_POLICY_CACHE_H_
#define KMS_ADMIN_POLICY_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/bytes.h"
#include "policy/document/policy.h"

namespace kms::admin {

// A compiled policy takes some ten times its document, which is at most
// 64 KiB: at worst 160 MiB, in practice a few.
inline constexpr size_t kPoliciesCachedMax = 256;

struct CachedPolicy {
  std::shared_ptr<const policy::CompiledPolicy> policy;  // Never null.
  std::string source_digest;                             // 32 bytes, SHA-256.
};

class PolicyCache {
 public:
  // `size_max`: entries, at least 1.
  explicit PolicyCache(size_t size_max = kPoliciesCachedMax)
      : size_max_(size_max) {}

  // `source` compiled, now or earlier. A document that does not compile is
  // not remembered.
  // POLICY_INVALID: see policy::Compile.
  absl::StatusOr<CachedPolicy> Get(absl::string_view name_space,
                                   absl::string_view name, uint32_t version,
                                   BytesView source);

 private:
  // Most recently used first.
  using Entries = std::list<std::pair<std::string, CachedPolicy>>;

  const size_t size_max_;
  absl::Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::admin

#endif  // KMS_ADMIN_POLICY_CACHE_H_
