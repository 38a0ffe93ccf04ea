// Counts refusals that are not worth a log entry of their own: those of
// callers whose Evidence did not verify, and those over a key's rate. Nobody
// unauthenticated writes to the replicated log; once a minute the counts
// become one summary leaf (review.md 16).
// Thread-safe.
#ifndef KMS_RELEASE_REFUSAL_COUNTER_H_
#define KMS_RELEASE_REFUSAL_COUNTER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/kms/v1/refusal.pb.h"
#include "proto/storage/v1/command.pb.h"

namespace kms::release {

class RefusalCounter {
 public:
  // How many of the latest refusals are kept in memory for an operator's look.
  static constexpr size_t kRecentMax = 256;

  struct Recent {
    absl::Time at;
    std::string peer;
    v1::RefusalCode code;
    std::string reason;
  };

  explicit RefusalCounter(absl::Time now) : from_(now) {}

  void Count(absl::string_view peer, const absl::Status& refusal,
             absl::Time now);

  // What was counted since the last call, as a command to propose; nothing if
  // nothing was.
  std::optional<::storage::v1::CountRefusals> Take(absl::Time now);

  // Counts again what Take gave and could not be proposed.
  void PutBack(const ::storage::v1::CountRefusals& counts);

  // Oldest first.
  std::vector<Recent> recent() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<v1::RefusalCode, uint64_t> counts_ ABSL_GUARDED_BY(mutex_);
  absl::Time from_ ABSL_GUARDED_BY(mutex_);
  std::deque<Recent> recent_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::release

#endif  // KMS_RELEASE_REFUSAL_COUNTER_H_
