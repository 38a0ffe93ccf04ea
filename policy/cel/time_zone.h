// Time zones by name, for expressions: "UTC", "+01:00", "Europe/Zurich".
//
// What a name means is read from the system's time zone database, which is part
// of the image that an instance runs: instances of one image agree, and ones of
// another may not, where a government has moved a clock in between. A rule that
// must hold alike everywhere says UTC or an offset. Nothing else of the process
// is looked at: not TZ, and where TZDIR would lead elsewhere, there are no
// named zones.
// Thread-safe.
#ifndef POLICY_CEL_TIME_ZONE_H_
#define POLICY_CEL_TIME_ZONE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace kms::cel {

// What looking up a zone costs: the first time it is a small file.
inline constexpr uint64_t kTimeZoneCost = 16;

// False if there is no such zone. An offset is [+-]hh:mm, below a day; the sign
// may be left out.
bool FindTimeZone(absl::string_view name, absl::TimeZone* out);

}  // namespace kms::cel

#endif  // POLICY_CEL_TIME_ZONE_H_
