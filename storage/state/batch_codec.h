// A batch on its way into the shared log and out of it: parse, sign, pad,
// seal. The grammar is at the top of proto/storage/v1/command.proto.
// Sources: architecture.md, "Batch"; review.md 8, 10, 41.
// Thread-safe: free functions. They do not judge what a batch says.
#ifndef STORAGE_STATE_BATCH_CODEC_H_
#define STORAGE_STATE_BATCH_CODEC_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "kms/crypto/signing_key.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/envelope/envelope.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

// The smallest sealed batch: one release fits, so that single releases and
// clock ticks look alike to whoever keeps the log.
inline constexpr size_t kSealedBatchBytesMin = 1024;

// The largest SignedBatch that can be padded and sealed.
inline constexpr size_t kSignedBatchBytesMax =
    kBatchBytesMax - kEnvelopeOverhead - sizeof(uint32_t);

// What the instance key signs, and what an approver's key signs.
std::string BatchSigningInput(absl::string_view batch);
std::string ApprovalSigningInput(absl::string_view cluster_id,
                                 absl::string_view command);

// kInvalidArgument: `signed_batch` is over kSignedBatchBytesMax.
absl::StatusOr<std::string> PadBatch(absl::string_view signed_batch);

// The inverse; there is one padded form of each. Aliases `padded`.
// kInvalidArgument: not a padded batch.
absl::StatusOr<absl::string_view> UnpadBatch(absl::string_view padded);

// Serializes, signs, pads and seals. Codes as PadBatch and Envelope::Seal.
absl::StatusOr<std::string> SealBatch(const Envelope& envelope,
                                      const crypto::Ed25519SigningKey& key,
                                      const ::storage::v1::Batch& batch);

// Opens an entry of the log; still padded. Codes as Envelope::Open.
absl::StatusOr<std::string> OpenEntry(const Envelope& envelope,
                                      absl::string_view sealed);

// Whether `message` holds, at any depth, a field or an enum value that this
// build does not know.
bool HasUnknown(const google::protobuf::Message& message);

}  // namespace kms::storage

#endif  // STORAGE_STATE_BATCH_CODEC_H_
