#include "kms/server/admission.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"

namespace kms::server {

absl::StatusOr<Admission::Ticket> Admission::Enter() {
  absl::MutexLock lock(&mutex_);
  if (closed_) {
    return Refuse(v1::LOG_UNAVAILABLE,
                  "server: this instance is ending; retry elsewhere");
  }
  if (in_flight_ >= in_flight_max_) {
    return Refuse(v1::RATE_LIMITED,
                  absl::StrCat("server: ", in_flight_max_,
                               " requests are in progress; wait and retry"));
  }
  ++in_flight_;
  return Ticket(this);
}

bool Admission::CloseAndWait(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  const auto empty = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return in_flight_ == 0;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&empty), timeout);
}

uint32_t Admission::in_flight() const {
  absl::MutexLock lock(&mutex_);
  return in_flight_;
}

void Admission::Leave() {
  absl::MutexLock lock(&mutex_);
  --in_flight_;
}

}  // namespace kms::server
