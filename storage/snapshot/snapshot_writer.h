// A donor's side of a snapshot: the rows of one view, chunk by chunk.
// Thread-compatible. The view keeps its rows on the disk while it lives, so a
// writer that nobody reads from is to be dropped.
#ifndef STORAGE_SNAPSHOT_SNAPSHOT_WRITER_H_
#define STORAGE_SNAPSHOT_SNAPSHOT_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/byte_writer.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/state/state_view.h"

namespace kms::storage {

class SnapshotWriter {
 public:
  // `envelope` outlives it. REQUIRES: the view is after Genesis.
  SnapshotWriter(std::shared_ptr<const StateView> view,
                 const Envelope& envelope)
      : view_(std::move(view)), envelope_(envelope) {}

  LogPosition position() const { return view_->position(); }

  // The next sealed chunk; nothing after the last.
  // DATA_LOSS: a row here does not authenticate. Others: the engine's, the
  // envelope's.
  absl::StatusOr<std::optional<std::string>> Next();

 private:
  absl::Status AddRows(ByteWriter& chunk);

  const std::shared_ptr<const StateView> view_;
  const Envelope& envelope_;
  uint64_t chunks_ = 0;
  uint64_t rows_ = 0;
  size_t family_ = 0;  // Next of Families() to be sent.
  std::string after_;  // The last row key sent of it.
  bool done_ = false;
};

}  // namespace kms::storage

#endif  // STORAGE_SNAPSHOT_SNAPSHOT_WRITER_H_
