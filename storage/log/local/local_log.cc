#include "storage/log/local/local_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/log/checks.h"

namespace kms::storage {
namespace {

constexpr absl::string_view kHeaderKey = "h";
constexpr absl::string_view kTailKey = "t";
constexpr absl::string_view kTrimmedKey = "x";
constexpr absl::string_view kEntryPrefix = "e";
constexpr absl::string_view kIdPrefix = "i";
constexpr uint8_t kFormat = 1;
constexpr size_t kIdBytes = InstanceId::kSize + 8 + 8;

// Entries trimmed in one write: bounds the batch, not the work.
constexpr size_t kTrimEntriesMax = 256;

absl::Status Damaged(absl::string_view what) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("local log: ", what));
}

std::string EntryKey(uint64_t index) {
  return ByteWriter().Bytes(kEntryPrefix).U64Be(index).Take();
}

std::string EncodeId(const BatchId& id) {
  return ByteWriter()
      .Bytes(BytesView(id.instance.bytes))
      .U64Le(id.incarnation)
      .U64Le(id.sequence)
      .Take();
}

std::string EncodeIndex(uint64_t index) {
  return ByteWriter().U64Le(index).Take();
}

absl::StatusOr<uint64_t> DecodeIndex(absl::string_view value) {
  ByteReader reader(AsBytes(value));
  const uint64_t index = reader.U64Le();
  if (!reader.Finish("index").ok()) return Damaged("malformed index");
  return index;
}

// The index that the row at `key` holds; nothing if there is no such row.
absl::StatusOr<std::optional<uint64_t>> GetIndex(const Engine& engine,
                                                 absl::string_view key) {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> row, engine.Get(key));
  if (!row.has_value()) return std::optional<uint64_t>();
  KMS_ASSIGN_OR_RETURN(const uint64_t index, DecodeIndex(*row));
  return std::optional<uint64_t>(index);
}

// The log's epoch; nothing if the engine holds no log.
absl::StatusOr<std::optional<uint64_t>> GetEpoch(const Engine& engine) {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> header,
                       engine.Get(kHeaderKey));
  if (!header.has_value()) return std::optional<uint64_t>();
  ByteReader reader(AsBytes(*header));
  const uint8_t format = reader.U8();
  const uint64_t epoch = reader.U64Le();
  if (!reader.Finish("header").ok() || format != kFormat || epoch == 0) {
    return Damaged("malformed header");
  }
  return std::optional<uint64_t>(epoch);
}

// What an engine without a log means, given the acknowledged file.
absl::Status CheckNeverBegun(const std::string& acknowledged_path) {
  const auto file = AcknowledgedFile::Open(acknowledged_path);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  KMS_RETURN_IF_ERROR(file.status());
  if ((*file)->position() == LogPosition{}) return absl::OkStatus();
  return Damaged("empty, but entries were acknowledged");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalLog>> LocalLog::Create(
    Engine* engine, const LocalLogOptions& options, uint64_t epoch) {
  if (epoch == 0) {
    return absl::InvalidArgumentError("local log: epoch 0, want at least 1");
  }
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> present,
                       GetEpoch(*engine));
  if (present.has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("local log: epoch ", *present, " is here already"));
  }
  KMS_RETURN_IF_ERROR(CheckNeverBegun(options.acknowledged_path));
  // The file first: from the moment that the header is there, a missing file
  // is damage.
  KMS_RETURN_IF_ERROR(AcknowledgedFile::Create(options.acknowledged_path));
  WriteBatch rows;
  rows.Put(kHeaderKey, ByteWriter().U8(kFormat).U64Le(epoch).Take());
  rows.Put(kTailKey, EncodeIndex(0));
  KMS_RETURN_IF_ERROR(engine->Write(rows, Sync::kYes));
  return Open(engine, options);
}

absl::StatusOr<std::unique_ptr<LocalLog>> LocalLog::Open(
    Engine* engine, const LocalLogOptions& options) {
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> epoch, GetEpoch(*engine));
  if (!epoch.has_value()) {
    KMS_RETURN_IF_ERROR(CheckNeverBegun(options.acknowledged_path));
    return absl::NotFoundError("local log: none was begun here");
  }
  auto file = AcknowledgedFile::Open(options.acknowledged_path);
  if (absl::IsNotFound(file.status())) {
    return Damaged("the acknowledged file is missing");
  }
  KMS_RETURN_IF_ERROR(file.status());

  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> last,
                       GetIndex(*engine, kTailKey));
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> trim_row,
                       GetIndex(*engine, kTrimmedKey));
  const uint64_t trimmed = trim_row.value_or(0);
  if (!last.has_value() || *last < trimmed) return Damaged("no last index");
  const LogPosition tail = {*epoch, *last};
  const LogPosition acknowledged = (*file)->position();
  if (acknowledged != LogPosition{} && acknowledged.epoch != *epoch) {
    return Damaged("the acknowledged file is of another epoch");
  }
  if (tail < acknowledged) {
    return Damaged(absl::StrCat("ends at index ", *last, ", want at least ",
                                acknowledged.index, " which was acknowledged"));
  }
  if (*last > trimmed) {
    KMS_ASSIGN_OR_RETURN(const auto entry, engine->Get(EntryKey(*last)));
    if (!entry.has_value()) return Damaged("the last entry is missing");
  }

  std::unique_ptr<LocalLog> log(
      new LocalLog(engine, options, *std::move(file), tail, trimmed));
  // An entry whose answer a crash cut off is part of the log from now on. It
  // may never have been synced: readers see it only once it is.
  KMS_RETURN_IF_ERROR(engine->Write({}, Sync::kYes));
  absl::MutexLock lock(&log->append_mutex_);
  if (*last > 0) KMS_RETURN_IF_ERROR(log->acknowledged_->Record(tail));
  return log;
}

LocalLog::LocalLog(Engine* engine, const LocalLogOptions& options,
                   std::unique_ptr<AcknowledgedFile> acknowledged,
                   LogPosition tail, uint64_t trimmed)
    : engine_(engine),
      free_bytes_min_(options.free_bytes_min),
      epoch_(tail.epoch),
      acknowledged_(std::move(acknowledged)),
      tail_(tail.index),
      trimmed_(trimmed) {}

LocalLog::Bounds LocalLog::bounds() const {
  absl::MutexLock lock(&mutex_);
  return {{epoch_, trimmed_}, {epoch_, tail_}};
}

absl::Status LocalLog::CheckRoom() const {
  KMS_ASSIGN_OR_RETURN(const uint64_t free, engine_->FreeBytes());
  if (free >= free_bytes_min_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "local log: ", free, " bytes free on its disk, want ", free_bytes_min_));
}

absl::StatusOr<LogPosition> LocalLog::Append(const BatchId& id,
                                             BytesView sealed_batch) {
  KMS_RETURN_IF_ERROR(CheckBatch(sealed_batch));
  const std::string encoded_id = EncodeId(id);
  const std::string id_key = absl::StrCat(kIdPrefix, encoded_id);

  absl::MutexLock append_lock(&append_mutex_);
  // Not kUnavailable, after which a proposer would try for ever.
  if (failed_) {
    return absl::InternalError("local log: its disk failed; open it again");
  }
  const auto known = GetIndex(*engine_, id_key);
  if (!known.ok()) {
    failed_ = true;  // An engine that failed once has failed for good.
    return known.status();
  }
  if (known->has_value()) return LogPosition{epoch_, **known};
  KMS_RETURN_IF_ERROR(CheckRoom());

  const LogPosition position = {epoch_, bounds().tail.index + 1};
  WriteBatch rows;
  rows.Put(EntryKey(position.index),
           absl::StrCat(encoded_id, AsStringView(sealed_batch)));
  rows.Put(id_key, EncodeIndex(position.index));
  rows.Put(kTailKey, EncodeIndex(position.index));
  const absl::Status written = engine_->Write(rows, Sync::kYes);
  const absl::Status recorded =
      written.ok() ? acknowledged_->Record(position) : written;
  if (!recorded.ok()) {
    // The entry may be on the disk or not. Only a new start, which reads the
    // disk, can tell; until then this index must not be given out again.
    failed_ = true;
    return recorded;
  }
  absl::MutexLock lock(&mutex_);
  tail_ = position.index;
  return position;
}

LocalLog::Bounds LocalLog::WaitFor(LogPosition after, absl::Duration wait) {
  absl::MutexLock lock(&mutex_);
  const auto done = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return after != LogPosition{epoch_, tail_} || interrupted_;
  };
  // A fresh reader's {0, 0} is the place before the first entry.
  if (after == LogPosition{}) after.epoch = epoch_;
  if (after == LogPosition{epoch_, tail_}) {
    mutex_.AwaitWithTimeout(absl::Condition(&done), wait);
    if (after == LogPosition{epoch_, tail_}) interrupted_ = false;
  }
  return {{epoch_, trimmed_}, {epoch_, tail_}};
}

absl::StatusOr<std::vector<LogEntry>> LocalLog::Read(LogPosition after,
                                                     size_t bytes_max,
                                                     absl::Duration wait) {
  const Bounds bounds = WaitFor(after, wait);
  KMS_RETURN_IF_ERROR(CheckReadable(after, bounds.trimmed, bounds.tail));

  std::vector<LogEntry> entries;
  size_t bytes = 0;
  bool whole = true;
  uint64_t index = after.index;
  KMS_RETURN_IF_ERROR(engine_->Scan(
      kEntryPrefix, EntryKey(after.index), bounds.tail.index - after.index,
      [&](absl::string_view key, absl::string_view value) {
        whole = value.size() > kIdBytes && key == EntryKey(index + 1);
        if (!whole) return false;
        value.remove_prefix(kIdBytes);
        bytes += value.size();
        if (!entries.empty() && bytes > bytes_max) return false;
        entries.push_back({{epoch_, ++index}, std::string(value)});
        return true;
      }));
  if (whole && (!entries.empty() || after.index == bounds.tail.index)) {
    return entries;
  }
  // Something is missing: trimmed while this read was under way, or lost.
  KMS_RETURN_IF_ERROR(
      CheckReadable(after, this->bounds().trimmed, bounds.tail));
  return Damaged(absl::StrCat("entry ", index + 1, " is missing"));
}

absl::StatusOr<LogPosition> LocalLog::Tail() { return bounds().tail; }

absl::Status LocalLog::Trim(LogPosition through) {
  absl::MutexLock trim_lock(&trim_mutex_);
  const Bounds before = bounds();
  KMS_RETURN_IF_ERROR(CheckTrim(through, before.tail));
  uint64_t trimmed = before.trimmed.index;
  if (through.index <= trimmed) return absl::OkStatus();
  {
    // Readers first, so that none mistakes a trimmed entry for a lost one.
    absl::MutexLock lock(&mutex_);
    trimmed_ = through.index;
  }
  while (trimmed < through.index) {
    KMS_ASSIGN_OR_RETURN(trimmed, TrimSome(trimmed, through.index));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> LocalLog::TrimSome(uint64_t trimmed,
                                            uint64_t through) {
  const uint64_t last = std::min(through, trimmed + kTrimEntriesMax);
  WriteBatch rows;
  KMS_RETURN_IF_ERROR(engine_->Scan(
      kEntryPrefix, EntryKey(trimmed), last - trimmed,
      [&](absl::string_view key, absl::string_view value) {
        if (key > EntryKey(last)) return false;
        rows.Delete(key);
        rows.Delete(absl::StrCat(kIdPrefix, value.substr(0, kIdBytes)));
        return true;
      }));
  // In the same write as the deletions: no crash can leave a gap that is not
  // known to be trimmed, nor entries that nothing will trim.
  rows.Put(kTrimmedKey, EncodeIndex(last));
  KMS_RETURN_IF_ERROR(engine_->Write(rows, Sync::kNo));
  return last;
}

void LocalLog::Interrupt() {
  absl::MutexLock lock(&mutex_);
  interrupted_ = true;
}

}  // namespace kms::storage
