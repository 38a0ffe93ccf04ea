// Unseals at the start where a device has the root key, beside a server that
// answers its status already: a token may take its time, or hang.
//
// It tries until the instance is unsealed once, by it or by somebody, and only
// while what is in the way may go away by itself (a token that is not plugged
// in, a log out of reach). A wrong PIN is not tried twice, for tokens lock
// themselves; an administrator's `kmsctl unseal` tries again at once.
//
// Thread-safe; one thread of its own between Start and Stop.
#ifndef KMS_SERVER_AUTO_UNSEAL_H_
#define KMS_SERVER_AUTO_UNSEAL_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "kms/seal/unsealer.h"
#include "kms/server/event_log.h"

namespace kms::server {

class AutoUnseal {
 public:
  // Both outlive it.
  AutoUnseal(seal::Unsealer& unsealer, const EventLog& log)
      : unsealer_(unsealer), log_(log) {}
  ~AutoUnseal() { Stop(); }

  // Begins if the instance is initialised and sealed, and no custodian has its
  // root key. `changed` is called when it is unsealed.
  void Start(std::function<void()> changed);

  // Ends the thread, once the device has answered. Idempotent.
  void Stop();

 private:
  void Run(const std::function<void()>& changed);

  seal::Unsealer& unsealer_;
  const EventLog& log_;
  std::thread thread_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::server

#endif  // KMS_SERVER_AUTO_UNSEAL_H_
