// What happens on an instance without anybody asking: the replica's tick, the
// release handler's minute, the newest checkpoint kept for the sealed status,
// and the health that load balancers see.
//
// A replica that cannot go on (DATA_LOSS, fenced, failed disk) shows as
// NOT_SERVING and in the status; every other call is refused by the replica
// itself. The process stays up so that an operator can ask it why, unless
// `on_fatal: exit` says otherwise.
//
// Thread-safe; one thread of its own between Start and Stop.
#ifndef KMS_SERVER_HEARTBEAT_H_
#define KMS_SERVER_HEARTBEAT_H_

#include <atomic>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/base/clock.h"
#include "kms/instance/instance.h"
#include "kms/seal/unsealer.h"
#include "kms/server/event_log.h"
#include "kms/server/status_handler.h"

namespace kms::server {

struct HeartbeatOptions {
  // All outlive the heartbeat.
  const InstanceHolder* holder = nullptr;
  const StatusHandler* status = nullptr;
  const audit::CheckpointSigner* checkpoints = nullptr;
  seal::Unsealer* unsealer = nullptr;
  const EventLog* log = nullptr;
  const Clock* clock = nullptr;
  // Called about once a minute while unsealed.
  std::function<absl::Status(absl::Time deadline)> each_minute;
};

class Heartbeat {
 public:
  explicit Heartbeat(HeartbeatOptions options);
  ~Heartbeat() { Stop(); }

  // `show`: told whether the instance serves, from any thread that calls in;
  // it outlives the heartbeat's last call. Beats about once a second.
  void Start(std::function<void(bool serving)> show);

  // Shows the health of now; after an init, unseal or seal there is no wait
  // for the next beat.
  void ShowHealth();

  // From now on the health is NOT_SERVING, whatever the instance says.
  void Drain();

  // Ends the thread. Idempotent.
  void Stop();

  // One beat: what the thread does each second.
  void Beat();

 private:
  void Run();
  void KeepCheckpoint(const Instance& instance);
  void LogChange(const absl::Status& health);

  const HeartbeatOptions options_;
  std::thread thread_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void(bool)> show_ ABSL_GUARDED_BY(mutex_);

  // Of the beating thread alone.
  absl::Time next_minute_ = absl::InfinitePast();
  absl::Time next_checkpoint_ = absl::InfinitePast();
  absl::StatusCode last_health_ = absl::StatusCode::kOk;
};

}  // namespace kms::server

#endif  // KMS_SERVER_HEARTBEAT_H_
