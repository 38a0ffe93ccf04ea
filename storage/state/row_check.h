// Reads every mutable row and adds up what the header's row sum says of them:
// how a start notices a row that was changed, moved, swapped, removed or put
// back to an older value.
// Source: architecture.md, "At rest"; review.md 20.
// Thread-safe: a free function.
#ifndef STORAGE_STATE_ROW_CHECK_H_
#define STORAGE_STATE_ROW_CHECK_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/state/row_store.h"

namespace kms::storage {

// Whether the first rows under every possible family have row keys: the only
// look at rows of no family, beside the header, and whose key ends before its
// id. The sum, and the walk over leaves and tiles, are the look at the others.
// kDataLoss: one has none. Others: the engine's.
absl::Status CheckFirstRows(const RowReader& rows);

// The sum over all rows of the summed families, computed by `threads` threads
// over ranges of row keys; includes CheckFirstRows.
// kDataLoss: a row does not authenticate in its place, or is of no family.
// Others: the engine's.
absl::StatusOr<RowSum> SumRows(const RowReader& rows, const RowHasher& hasher,
                               size_t threads);

}  // namespace kms::storage

#endif  // STORAGE_STATE_ROW_CHECK_H_
