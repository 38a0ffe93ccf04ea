// Between the state's key records and the messages that clients see.
// Thread-safe: free functions.
#ifndef KMS_LIFECYCLE_KEY_MESSAGES_H_
#define KMS_LIFECYCLE_KEY_MESSAGES_H_

#include "absl/status/statusor.h"
#include "proto/kms/v1/keys.pb.h"
#include "proto/storage/v1/record.pb.h"

namespace kms::lifecycle {

// What a client may know of a key: everything but its material, which a
// record does not hold.
v1::Key ToKey(const ::storage::v1::KeyRecord& record);

// REQUEST_MALFORMED: unspecified, or a state that this build does not know.
absl::StatusOr<::storage::v1::KeyVersionState> ToKeyVersionState(
    v1::KeyVersion::State state);

// Unspecified is a stored key.
// REQUEST_MALFORMED: a purpose that this build does not know.
absl::StatusOr<::storage::v1::KeyPurpose> ToKeyPurpose(
    v1::Key::Purpose purpose);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_KEY_MESSAGES_H_
