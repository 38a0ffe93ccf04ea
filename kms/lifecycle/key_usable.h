// Whether a version of a key may be used now, in words for whoever asked.
// The state's rules decide it again where a release is ordered
// (storage/state/releases.cc).
// Thread-safe: a free function.
#ifndef KMS_LIFECYCLE_KEY_USABLE_H_
#define KMS_LIFECYCLE_KEY_USABLE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "proto/storage/v1/record.pb.h"

namespace kms::lifecycle {

// `version`: 0 is the primary version of a key that has none.
// VERSION_DISABLED, VERSION_DESTROYED, VERSION_BELOW_MINIMUM, NOT_FOUND.
absl::Status CheckUsable(const ::storage::v1::KeyRecord& key, uint32_t version);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_KEY_USABLE_H_
