// Reads a whole view in slices, while the instance serves: every mutable row
// against the row sum, every leaf and every tile against the tree's root. What
// a start leaves unread, the leaves and tiles to the left of the edge, is read
// here.
// Source: architecture.md, promise 5; review.md 20.
// Thread-compatible; any thread. It repairs nothing.
#ifndef STORAGE_STATE_SCRUBBER_H_
#define STORAGE_STATE_SCRUBBER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/envelope/envelope.h"
#include "storage/state/merkle_log.h"
#include "storage/state/row_store.h"
#include "storage/state/state_view.h"

namespace kms::storage {

class Scrubber {
 public:
  // kFailedPrecondition: the row sum key is not in the keyring.
  static absl::StatusOr<Scrubber> Create(std::shared_ptr<const StateView> view,
                                         const Envelope& envelope);

  // Reads about `rows` rows more. True: all is read, and is what Apply left.
  // REQUIRES: it has not returned true or an error before.
  // kDataLoss: it is not; names the family where it can. Others: the engine's.
  absl::StatusOr<bool> Step(size_t rows);

 private:
  Scrubber(std::shared_ptr<const StateView> view, RowHasher hasher)
      : view_(std::move(view)), hasher_(std::move(hasher)) {}

  absl::Status StepRows(size_t limit);
  absl::Status StepLeaves(size_t limit);
  absl::Status CheckTile(const MerkleEdge::FullTile& tile);
  absl::Status FinishTree();

  std::shared_ptr<const StateView> view_;
  RowHasher hasher_;

  size_t family_ = 0;  // Next of Families() whose rows are to be added up.
  std::string after_;  // The last row key read of it.
  RowSum sum_;
  bool rows_done_ = false;
  MerkleEdge tree_;  // Of the leaves read so far.
  uint64_t tiles_ = 0;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_SCRUBBER_H_
