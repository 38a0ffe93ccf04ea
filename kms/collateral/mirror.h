// Takes newer collateral from the operator's mirror, by the same way as an
// administrator does: verify, propose. What the mirror says is believed in
// nothing: it can only be silent, and then items age until they are refused.
//
// The mirror's index names entries; an entry is fetched at most once in an
// interval, a file once in a round, and what did not change (ETag, or the same
// digest in the state) makes no command. What fails - no answer, a lie, an
// older item - is tried again after a delay that doubles up to a bound, with
// jitter, so that instances do not ask together. Thread-safe. Blocks while it
// fetches, so it has a thread of its own.
#ifndef KMS_COLLATERAL_MIRROR_H_
#define KMS_COLLATERAL_MIRROR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/collateral/fetcher.h"
#include "kms/collateral/mirror_index.h"
#include "policy/collateral/verify.h"

namespace kms::collateral {

// The first delay after a failure, and the longest.
inline constexpr absl::Duration kMirrorRetryMin = absl::Seconds(30);
inline constexpr absl::Duration kMirrorRetryMax = absl::Hours(6);

// What is kept in memory to be answered "not modified"; beyond it files are
// fetched whole.
inline constexpr size_t kMirrorKeptBytesMax = size_t{64} << 20;

struct MirrorOptions {
  // All outlive the mirror.
  Fetcher* fetcher = nullptr;
  const Clock* clock = nullptr;
  // Verifies and proposes; returns how many items that changed. What is stored
  // already changes nothing, so asking again costs no command.
  std::function<absl::StatusOr<uint32_t>(policy::CollateralKind kind,
                                         const std::vector<std::string>& files)>
      import;
  // Told of every failure, and of each import that changed something, by
  // "collateral.json" or an entry's first file. May be null.
  std::function<void(absl::string_view subject, const absl::Status& status)>
      tell;
  // In [0, 1): for jitter.
  std::function<double()> random;
  absl::Duration interval = absl::Hours(1);
};

class Mirror {
 public:
  explicit Mirror(MirrorOptions options) : options_(std::move(options)) {}

  // Fetches and imports what is due by now. Of several callers at once one
  // does it, and the others wait for it.
  void Poll();

  // When the next thing is due; never later than an interval from now.
  absl::Time NextDue() const;

 private:
  // When something is to be tried again.
  struct Schedule {
    absl::Time due = absl::InfinitePast();
    int failures = 0;
  };
  struct Kept {
    std::string etag;
    std::string body;
  };
  // The files of one round: each is fetched once.
  using Round = std::map<std::string, absl::StatusOr<std::string>>;

  void PollOnce() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::string> Get(const std::string& path, size_t bytes_max,
                                  Round& round);
  absl::StatusOr<std::string> Fetch(const std::string& path, size_t bytes_max);
  absl::Status Import(const MirrorEntry& entry, Round& round);
  void Forget(std::map<std::string, Kept>::iterator kept);
  static size_t BytesOf(const std::string& path, const Kept& kept);
  void Keep(const std::string& path, Kept kept);
  void Reschedule(const absl::Status& status, Schedule& schedule);
  void Tell(absl::string_view subject, const absl::Status& status);

  const MirrorOptions options_;

  mutable absl::Mutex mutex_;
  bool polling_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t rounds_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time next_due_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  // Of who polls: polling_ keeps others out.
  Schedule index_schedule_;
  std::vector<MirrorEntry> index_;
  std::map<std::string, Schedule> schedules_;  // Of entries, by NameOf.
  std::map<std::string, Kept> kept_;           // By path.
  size_t kept_bytes_ = 0;
  size_t round_bytes_ = 0;  // What the round now holds.
};

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_MIRROR_H_
