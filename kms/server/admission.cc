#include "kms/server/admission.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"

namespace kms::server {

absl::StatusOr<Admission::Ticket> Admission::Enter() {
  Ticket ticket(this);
  const uint32_t before = in_flight_.fetch_add(1);
  if (before >= in_flight_max_) {
    return Refuse(v1::RATE_LIMITED,
                  absl::StrCat("server: ", in_flight_max_,
                               " requests are in progress; wait and retry"));
  }
  return ticket;
}

}  // namespace kms::server
