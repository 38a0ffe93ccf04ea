// The leases outstanding of one key under one policy, where its terms bound
// how many there may be at once. A lease ends by log time alone: nobody gives
// one back, so an instance that is replaced early holds its place to the end.
// Owned by Apply, for one command.
#ifndef STORAGE_STATE_LEASES_H_
#define STORAGE_STATE_LEASES_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/apply_context.h"

namespace kms::storage {

class Leases {
 public:
  // Those that have not ended by log time.
  static absl::StatusOr<Leases> Read(ApplyContext& context,
                                     absl::string_view key_id,
                                     absl::string_view policy);

  // An Effect that is ok: fewer than `most` are outstanding, or the release
  // that is repeated, whose first leaf is `repeat_of`, still holds one.
  // CONCURRENCY_EXHAUSTED.
  Effect CheckRoom(uint32_t most, std::optional<uint64_t> repeat_of) const;

  // Writes that the release whose first leaf is `leaf` holds one until
  // `until_us`.
  absl::Status Hold(ApplyContext& context, uint64_t leaf, int64_t until_us);

 private:
  explicit Leases(RowKey row) : row_(std::move(row)) {}

  RowKey row_;
  ::storage::v1::LeasesRecord outstanding_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_LEASES_H_
