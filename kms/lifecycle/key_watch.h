// Who watches which key, and what each was last told
// (proto/kms/v1/watch.proto).
//
// One thread looks at the newest state a few times a second: a new view costs a
// pointer, and only one whose settings have moved is read, once for each key
// that is watched. So a change is told within kWatchInterval of being applied
// here, whichever instance ordered it, and ten thousand watchers cost nothing
// while no key changes.
//
// Watching needs no certificate: a receipt of a release under a lease that is
// not over is enough. It was given to a workload that proved itself, it is
// verified without reading the state, on any instance, and all that its bearer
// learns is the number of a version.
// Thread-safe. Knows nothing of gRPC.
#ifndef KMS_LIFECYCLE_KEY_WATCH_H_
#define KMS_LIFECYCLE_KEY_WATCH_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/watch.pb.h"
#include "storage/state/state_view.h"

namespace kms::lifecycle {

inline constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);
// Of one instance: each has a stream and a few KiB. A fleet spreads over all.
inline constexpr size_t kWatchersMax = 10'000;

class KeyWatch {
 public:
  // Told from the watch's thread, or from Add's, one call at a time. Must not
  // call the watch.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void Tell(const v1::WatchedKey& key) = 0;
    virtual void End(const absl::Status& status) = 0;  // Nothing comes after.
  };

  // `holder` outlives it.
  explicit KeyWatch(const InstanceHolder& holder) : holder_(holder) {}
  ~KeyWatch() { Stop(); }

  void Start();
  // Ends every watcher with LOG_UNAVAILABLE and takes no more. Idempotent.
  void Stop();

  // Tells `watcher` the key as it is now, and from then on its changes, until
  // Remove or its End.
  // Codes as watch.proto says; `watcher` is not told then.
  absl::Status Add(const Caller& caller, const v1::WatchKeyRequest& request,
                   std::shared_ptr<Watcher> watcher);
  void Remove(const Watcher* watcher);

  // One look at the state: what the thread does each kWatchInterval.
  void Look();

 private:
  using KeyName = std::pair<std::string, std::string>;  // Namespace, name.

  struct Watch {
    std::shared_ptr<Watcher> watcher;
    KeyName key;
    int64_t lease_until_us = 0;  // Log time; 0: an administrator's.
    v1::WatchedKey told;
  };

  void Run();
  // The telling that `view` calls for; drops those whose lease is over.
  std::vector<Watch> Due(const storage::StateView& view,
                         std::vector<std::shared_ptr<Watcher>>& expired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndAll(const absl::Status& status);

  const InstanceHolder& holder_;
  std::thread thread_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const Watcher*, Watch> watches_ ABSL_GUARDED_BY(mutex_);
  // Of the state that was looked at last.
  uint64_t epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t settings_index_ ABSL_GUARDED_BY(mutex_) = 0;

  // Held while telling, so that each watcher hears one thing at a time, in
  // order; taken before mutex_.
  absl::Mutex telling_ ABSL_ACQUIRED_BEFORE(mutex_);
};

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_KEY_WATCH_H_
