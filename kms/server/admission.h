// How many requests are being worked on, and the door that closes when it is
// enough: gRPC's resource quota is advisory, so the bound is our own.
// Source: threats.md, section 6, "gRPC 1.51.1".
// Thread-safe. Only CloseAndWait blocks.
#ifndef KMS_SERVER_ADMISSION_H_
#define KMS_SERVER_ADMISSION_H_

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace kms::server {

class Admission {
 public:
  // One request's place; given back when it dies.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept
        : admission_(std::exchange(other.admission_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (admission_ != nullptr) admission_->Leave();
    }

   private:
    friend class Admission;
    explicit Ticket(Admission* admission) : admission_(admission) {}
    Admission* admission_;
  };

  explicit Admission(uint32_t in_flight_max) : in_flight_max_(in_flight_max) {}

  // RATE_LIMITED: in_flight_max requests are in progress.
  // LOG_UNAVAILABLE: closed.
  absl::StatusOr<Ticket> Enter();

  // Admits nothing from now on, and waits for those in progress. False: some
  // still are after `timeout`.
  bool CloseAndWait(absl::Duration timeout);

  uint32_t in_flight() const;

 private:
  void Leave();

  const uint32_t in_flight_max_;
  mutable absl::Mutex mutex_;
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::server

#endif  // KMS_SERVER_ADMISSION_H_
