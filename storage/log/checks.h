// The argument checks that every implementation of SharedLog makes alike.
// Thread-safe: free functions.
#ifndef STORAGE_LOG_CHECKS_H_
#define STORAGE_LOG_CHECKS_H_

#include "absl/status/status.h"
#include "kms/base/bytes.h"
#include "storage/log/log_position.h"

namespace kms::storage {

// kInvalidArgument: empty. kResourceExhausted: over kBatchBytesMax.
absl::Status CheckBatch(BytesView sealed_batch);

// May a log that has forgotten the entries up to `trimmed` and ends at `tail`
// (both of its epoch) serve a reader that has applied `after`? The codes are
// those of SharedLog::Read.
absl::Status CheckReadable(LogPosition after, LogPosition trimmed,
                           LogPosition tail);

// kInvalidArgument: `through` is of another epoch than `tail`, or after it.
absl::Status CheckTrim(LogPosition through, LogPosition tail);

}  // namespace kms::storage

#endif  // STORAGE_LOG_CHECKS_H_
