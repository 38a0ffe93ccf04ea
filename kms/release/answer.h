// The last step of a release: the committed release becomes a wrapped key and
// a receipt.
// Thread-safe: free functions.
#ifndef KMS_RELEASE_ANSWER_H_
#define KMS_RELEASE_ANSWER_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/audit/checkpoint_signer.h"
#include "kms/instance/instance.h"
#include "kms/release/appraisal.h"
#include "kms/release/data_key.h"
#include "proto/kms/v1/release.pb.h"
#include "storage/replica/replica.h"

namespace kms::release {

// Wraps the key material of `judgement`, or the data key of `data_key` if it is
// a wrapping key's, to the session's recipient key, and signs the receipt.
// REQUIRES: `applied` is the committed and accepted Release of `judgement`;
//   nothing else may lead here.
// RECIPIENT_KEY_INVALID: the KEM refuses it. DATA_LOSS: the material or the
//   log's leaf does not authenticate.
absl::StatusOr<v1::ReleaseKeyResponse> AnswerRelease(
    const Instance& instance, const audit::CheckpointSigner& checkpoints,
    const Session& session, const Judgement& judgement, DataKey data_key,
    const storage::Applied& applied, absl::Time now);

}  // namespace kms::release

#endif  // KMS_RELEASE_ANSWER_H_
