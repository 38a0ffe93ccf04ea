// How many requests are being worked on, and the door that closes when it is
// enough: gRPC's resource quota is advisory, so the bound is our own.
// Source: threats.md, section 6, "gRPC 1.51.1".
// Thread-safe. Never blocks.
#ifndef KMS_SERVER_ADMISSION_H_
#define KMS_SERVER_ADMISSION_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"

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
      if (admission_ != nullptr) admission_->in_flight_.fetch_sub(1);
    }

   private:
    friend class Admission;
    explicit Ticket(Admission* admission) : admission_(admission) {}
    Admission* admission_;
  };

  explicit Admission(uint32_t in_flight_max) : in_flight_max_(in_flight_max) {}

  // RATE_LIMITED: in_flight_max requests are in progress.
  absl::StatusOr<Ticket> Enter();

  uint32_t in_flight() const { return in_flight_.load(); }

 private:
  const uint32_t in_flight_max_;
  std::atomic<uint32_t> in_flight_{0};
};

}  // namespace kms::server

#endif  // KMS_SERVER_ADMISSION_H_
