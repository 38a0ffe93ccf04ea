#include "storage/log/checks.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "storage/log/shared_log.h"

namespace kms::storage {

absl::Status CheckBatch(BytesView sealed_batch) {
  if (sealed_batch.empty()) {
    return absl::InvalidArgumentError("log: empty batch");
  }
  if (sealed_batch.size() > kBatchBytesMax) {
    return absl::ResourceExhaustedError(absl::StrCat("log: batch of ",
                                                     sealed_batch.size(),
                                                     " bytes, want at "
                                                     "most ",
                                                     kBatchBytesMax));
  }
  return absl::OkStatus();
}

absl::Status CheckReadable(LogPosition after, LogPosition trimmed,
                           LogPosition tail) {
  const bool from_first = after == LogPosition{};
  if (!from_first && after.epoch < tail.epoch) {
    return absl::OutOfRangeError(absl::StrCat(
        "log: read from epoch ", after.epoch, ", want epoch ", tail.epoch));
  }
  if (after > tail) {
    return Refuse(v1::DATA_LOSS,
                  absl::StrCat("log: ends at ", tail.epoch, "/", tail.index,
                               ", want at least ", after.epoch, "/",
                               after.index, " which was applied"));
  }
  if (after.index < trimmed.index) {
    return absl::OutOfRangeError(absl::StrCat("log: read after index ",
                                              after.index, ", want at least ",
                                              trimmed.index));
  }
  return absl::OkStatus();
}

absl::Status CheckTrim(LogPosition through, LogPosition tail) {
  if (through.epoch != tail.epoch || through.index > tail.index) {
    return absl::InvalidArgumentError(
        absl::StrCat("log: trim through ", through.epoch, "/", through.index,
                     ", want at most ", tail.epoch, "/", tail.index));
  }
  return absl::OkStatus();
}

}  // namespace kms::storage
