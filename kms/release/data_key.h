// What a request to a wrapping key asks for: the data key of a publisher's
// blob, a fresh data key, or a blob moved to the primary version.
//
// It is prepared before the release is ordered, because the command holds the
// digest of every blob that is opened or made (review.md 45), and because a
// blob that does not open is a refusal and not a release. What is prepared
// stays in locked memory, and leaves only with AnswerRelease, or never.
// Thread-safe: free functions.
#ifndef KMS_RELEASE_DATA_KEY_H_
#define KMS_RELEASE_DATA_KEY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/secret.h"
#include "kms/instance/instance.h"
#include "kms/release/appraisal.h"
#include "proto/kms/v1/release.pb.h"
#include "storage/state/state_view.h"

namespace kms::release {

struct DataKey {
  Secret key;            // To be wrapped to the recipient; empty: to nobody.
  std::string new_blob;  // To be given back; empty: none.
  std::string new_blob_digest;  // Its SHA-256; empty: none.
  uint32_t new_version = 0;     // The key version that it is sealed to.
};

// Takes what `request` says of blobs and artifacts into `session`, whose
// namespace and version are set. Looks at nothing but the request.
// REQUEST_MALFORMED, BLOB_MALFORMED.
// BLOB_MISMATCH: made for another cluster, namespace or version than asked for.
// ARTIFACT_MISMATCH: bound to another artifact than the request names.
absl::Status ReadDataKeyRequest(const Instance& instance,
                                const v1::ReleaseRequest& request,
                                Session& session);

// REQUIRES: `judgement` allows `session` on `view`, and its key is a wrapping
// key.
// BLOB_REJECTED: the blob does not open. VERSION_*: the primary version cannot
// be sealed to. DATA_LOSS: a stored key does not authenticate.
// kResourceExhausted: no locked memory left.
absl::StatusOr<DataKey> PrepareDataKey(const Instance& instance,
                                       const storage::StateView& view,
                                       const Session& session,
                                       const Judgement& judgement);

}  // namespace kms::release

#endif  // KMS_RELEASE_DATA_KEY_H_
