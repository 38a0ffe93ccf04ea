#include "storage/engine/memory_engine.h"

#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "kms/base/status.h"

namespace kms::storage {

namespace {

absl::Status Failed() {
  return absl::UnavailableError("memory engine: failed before");
}

// Calls `visit` for the rows that EngineReader::Scan asks for.
template <typename Rows, typename Visit>
void ForRows(const Rows& rows, absl::string_view prefix,
             absl::string_view start_after, size_t limit, Visit visit) {
  // With both empty this is the first row: keys are never empty.
  auto row = start_after < prefix ? rows.lower_bound(prefix)
                                  : rows.upper_bound(start_after);
  for (; limit > 0 && row != rows.end(); ++row, --limit) {
    if (!absl::StartsWith(row->first, prefix)) break;
    if (!visit(row->first, row->second)) break;
  }
}

template <typename Rows>
std::optional<std::string> Find(const Rows& rows, absl::string_view key) {
  const auto row = rows.find(key);
  if (row == rows.end()) return std::nullopt;
  return row->second;
}

}  // namespace

class MemoryEngine::MapSnapshot : public EngineSnapshot {
 public:
  MapSnapshot(const MemoryEngine* engine, std::shared_ptr<const Rows> rows)
      : engine_(engine), rows_(std::move(rows)) {}

  absl::StatusOr<std::optional<std::string>> Get(
      absl::string_view key) const override {
    KMS_RETURN_IF_ERROR(engine_->CheckAlive());
    return Find(*rows_, key);
  }

  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, RowFn fn) const override {
    KMS_RETURN_IF_ERROR(engine_->CheckAlive());
    ForRows(*rows_, prefix, start_after, limit, fn);
    return absl::OkStatus();
  }

 private:
  const MemoryEngine* engine_;
  std::shared_ptr<const Rows> rows_;
};

MemoryEngine::MemoryEngine()
    : rows_(std::make_shared<Rows>()),
      free_bytes_(std::numeric_limits<uint64_t>::max()) {}

absl::Status MemoryEngine::CheckAlive() const {
  absl::MutexLock lock(&mutex_);
  return failed_ ? Failed() : absl::OkStatus();
}

MemoryEngine::Rows& MemoryEngine::Own() {
  if (rows_shared_) rows_ = std::make_shared<Rows>(*rows_);
  rows_shared_ = false;
  return *rows_;
}

absl::StatusOr<std::optional<std::string>> MemoryEngine::Get(
    absl::string_view key) const {
  absl::MutexLock lock(&mutex_);
  if (failed_) return Failed();
  return Find(*rows_, key);
}

absl::Status MemoryEngine::Scan(absl::string_view prefix,
                                absl::string_view start_after, size_t limit,
                                RowFn fn) const {
  // Copied first, so that `fn` may call the engine.
  std::vector<std::pair<std::string, std::string>> found;
  {
    absl::MutexLock lock(&mutex_);
    if (failed_) return Failed();
    ForRows(*rows_, prefix, start_after, limit,
            [&](const std::string& key, const std::string& value) {
              found.emplace_back(key, value);
              return true;
            });
  }
  for (const auto& [key, value] : found) {
    if (!fn(key, value)) break;
  }
  return absl::OkStatus();
}

absl::Status MemoryEngine::Write(const WriteBatch& batch, Sync sync) {
  absl::MutexLock lock(&mutex_);
  if (failed_) return Failed();
  Rows& rows = Own();
  for (const WriteBatch::Operation& operation : batch.operations()) {
    const auto row = rows.find(operation.key);
    if (sync == Sync::kNo) {
      unsynced_.push_back(
          {operation.key, row == rows.end()
                              ? std::nullopt
                              : std::optional<std::string>(row->second)});
    }
    if (operation.kind == WriteBatch::Operation::Kind::kPut) {
      rows[operation.key] = operation.value;
    } else if (row != rows.end()) {
      rows.erase(row);
    }
  }
  if (sync == Sync::kYes) unsynced_.clear();
  return absl::OkStatus();
}

std::unique_ptr<EngineSnapshot> MemoryEngine::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  rows_shared_ = true;
  return std::make_unique<MapSnapshot>(this, rows_);
}

absl::Status MemoryEngine::Flush() { return Write({}, Sync::kYes); }

absl::StatusOr<uint64_t> MemoryEngine::FreeBytes() const {
  absl::MutexLock lock(&mutex_);
  if (failed_) return Failed();
  return free_bytes_;
}

void MemoryEngine::LoseUnsynced() {
  absl::MutexLock lock(&mutex_);
  Rows& rows = Own();
  for (auto undo = unsynced_.rbegin(); undo != unsynced_.rend(); ++undo) {
    if (undo->value.has_value()) {
      rows[undo->key] = *undo->value;
    } else {
      rows.erase(undo->key);
    }
  }
  unsynced_.clear();
}

void MemoryEngine::Fail() {
  absl::MutexLock lock(&mutex_);
  failed_ = true;
}

void MemoryEngine::SetFreeBytes(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  free_bytes_ = bytes;
}

}  // namespace kms::storage
