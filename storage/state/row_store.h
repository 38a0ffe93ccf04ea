// Rows of the state, through an engine and the at-rest envelope.
//
//   stored value = storage/envelope(kStorage) of value; associated data =
//                  RowAad(namespace tag, family name, id), all from the row key
//
// RowReader reads rows. RowBatch collects the writes of one log entry, with
// read-your-writes, and gives the row sum and the digest of the writes.
// Sources: architecture.md, "At rest"; review.md 2, 19, 20.
// Thread-compatible, but for RowReader, RowHasher: thread-safe, immutable.
#ifndef STORAGE_STATE_ROW_STORE_H_
#define STORAGE_STATE_ROW_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hmac.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"
#include "storage/state/row_key.h"

namespace kms::storage {

// DATA_LOSS, naming the family and nothing else of the row.
absl::Status RowLoss(Family family, absl::string_view fault);

class RowReader {
 public:
  // Both must outlive it.
  RowReader(const EngineReader& rows, const Envelope& envelope)
      : rows_(&rows), envelope_(&envelope) {}

  // The value of a row, or nothing.
  // kDataLoss: it does not authenticate as this row. Others: the engine's.
  absl::StatusOr<std::optional<std::string>> Get(const RowKey& key) const;

  // The same, parsed as `Record`. kDataLoss: does not parse.
  template <typename Record>
  absl::StatusOr<std::optional<Record>> GetRecord(const RowKey& key) const;

  // Calls `fn` for at most `limit` rows in key order whose key begins with
  // `prefix` and is greater than `start_after`; an error of `fn` ends the scan
  // and is returned. kDataLoss: as Get, or not a row key.
  using RowStatusFn =
      absl::FunctionRef<absl::Status(const RowKey& key, std::string value)>;
  absl::Status Scan(absl::string_view prefix, absl::string_view start_after,
                    size_t limit, RowStatusFn fn) const;

  // Authenticates the stored bytes of `key`'s row.
  absl::StatusOr<std::string> Open(const RowKey& key,
                                   absl::string_view stored) const;

  const EngineReader& engine() const { return *rows_; }

 private:
  const EngineReader* rows_;
  const Envelope* envelope_;
};

// Addition of 256-bit little-endian numbers, mod 2^256: the order of rows does
// not matter, and one row's change costs one subtraction and one addition.
class RowSum {
 public:
  static constexpr size_t kSize = 32;

  RowSum() = default;
  // kInvalidArgument: not 32 bytes.
  static absl::StatusOr<RowSum> FromBytes(absl::string_view bytes);
  std::string bytes() const;

  void Add(const RowSum& other);
  void Subtract(const RowSum& other);

  friend bool operator==(const RowSum&, const RowSum&) = default;

 private:
  std::array<uint64_t, 4> words_ = {};  // Least significant first.
};

// HMAC(row sum key, row key || value): one row's part of the sum.
class RowHasher {
 public:
  // Always this version: the sum is state, so another key would have to come
  // by a command.
  static constexpr uint32_t kKeyVersion = 1;

  // kFailedPrecondition: the key is not in `keyring`.
  static absl::StatusOr<RowHasher> Create(const Keyring& keyring);

  RowSum Hash(const RowKey& key, absl::string_view value) const;

 private:
  explicit RowHasher(crypto::HmacSha256Key key) : key_(std::move(key)) {}

  crypto::HmacSha256Key key_;
};

// The net changes of one log entry, in row key order.
class RowBatch {
 public:
  // `reader`: the state before the entry; it must outlive the batch.
  explicit RowBatch(const RowReader& reader) : reader_(reader) {}

  // As RowReader's, with what this batch wrote.
  absl::StatusOr<std::optional<std::string>> Get(const RowKey& key);
  template <typename Record>
  absl::StatusOr<std::optional<Record>> GetRecord(const RowKey& key);

  // Rows of summed families: the value before is read, if it was not yet.
  absl::Status Put(const RowKey& key, std::string value);
  template <typename Record>
  absl::Status PutRecord(const RowKey& key, const Record& record) {
    return Put(key, record.SerializeAsString());
  }
  // REQUIRES: there is such a row.
  absl::Status Delete(const RowKey& key);

  // A row that cannot have been there and that the row sum does not cover:
  // leaves, tiles.
  void Append(const RowKey& key, std::string value);

  // Feeds every change, in order:  change = put / delete
  //   put = %x01 field(row key) field(value);  delete = %x02 field(row key)
  void Digest(crypto::Sha256Hasher& hasher) const;

  // Whether it writes anything but what every release does: its leaf, its spent
  // challenge, its counts, and the books of log and proposer.
  bool WritesSettings() const;

  // Moves `sum` from the rows before to the rows after.
  void MoveSum(const RowHasher& hasher, RowSum& sum) const;

  // Adds the changes, encrypted, to `writes`.
  absl::Status Seal(const Envelope& envelope, WriteBatch& writes) const;

 private:
  struct Row {
    std::optional<std::string> before;
    std::optional<std::string> now;
    bool written = false;
  };
  absl::StatusOr<Row*> Find(const RowKey& key);

  const RowReader& reader_;
  std::map<RowKey, Row> rows_;
};

// The stored form of one row.
absl::StatusOr<std::string> SealRow(const Envelope& envelope, const RowKey& key,
                                    absl::string_view value);

// --- Only templates below. ---

template <typename Record>
absl::StatusOr<std::optional<Record>> ParseRecord(
    const RowKey& key, const std::optional<std::string>& value) {
  if (!value.has_value()) return std::optional<Record>();
  Record record;
  if (!record.ParseFromString(*value)) {
    return RowLoss(key.family(), "does not parse");
  }
  return std::optional<Record>(std::move(record));
}

template <typename Record>
absl::StatusOr<std::optional<Record>> RowReader::GetRecord(
    const RowKey& key) const {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> value, Get(key));
  return ParseRecord<Record>(key, value);
}

template <typename Record>
absl::StatusOr<std::optional<Record>> RowBatch::GetRecord(const RowKey& key) {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> value, Get(key));
  return ParseRecord<Record>(key, value);
}

}  // namespace kms::storage

#endif  // STORAGE_STATE_ROW_STORE_H_
