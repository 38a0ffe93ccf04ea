#include "storage/state/row_store.h"

#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"

namespace kms::storage {
namespace {

std::string AadOf(const RowKey& key) {
  return RowAad(key.namespace_tag(), InfoOf(key.family()).name, key.id());
}

}  // namespace

absl::Status RowLoss(Family family, absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("state row of family ",
                                            InfoOf(family).name, ": ", fault));
}

absl::StatusOr<std::string> SealRow(const Envelope& envelope, const RowKey& key,
                                    absl::string_view value) {
  const std::string aad = AadOf(key);
  return envelope.Seal(KeyKind::kStorage, AsBytes(value), AsBytes(aad));
}

absl::StatusOr<std::string> RowReader::Open(const RowKey& key,
                                            absl::string_view stored) const {
  const std::string aad = AadOf(key);
  auto value =
      envelope_->Open(KeyKind::kStorage, AsBytes(stored), AsBytes(aad));
  if (!value.ok() && absl::IsDataLoss(value.status())) {
    return RowLoss(key.family(), "does not authenticate");
  }
  return value;
}

absl::StatusOr<std::optional<std::string>> RowReader::Get(
    const RowKey& key) const {
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> stored,
                       rows_->Get(key.bytes()));
  if (!stored.has_value()) return std::optional<std::string>();
  KMS_ASSIGN_OR_RETURN(std::string value, Open(key, *stored));
  return std::optional<std::string>(std::move(value));
}

absl::Status RowReader::Scan(absl::string_view prefix,
                             absl::string_view start_after, size_t limit,
                             RowStatusFn fn) const {
  absl::Status status;
  KMS_RETURN_IF_ERROR(rows_->Scan(
      prefix, start_after, limit,
      [&](absl::string_view bytes, absl::string_view stored) {
        const absl::StatusOr<RowKey> key = ParseRowKey(bytes);
        if (!key.ok()) {
          status = Refuse(v1::DATA_LOSS, "state: a row key that is none");
          return false;
        }
        absl::StatusOr<std::string> value = Open(*key, stored);
        status = value.ok() ? fn(*key, *std::move(value)) : value.status();
        return status.ok();
      }));
  return status;
}

absl::StatusOr<RowSum> RowSum::FromBytes(absl::string_view bytes) {
  ByteReader reader(AsBytes(bytes));
  RowSum sum;
  for (uint64_t& word : sum.words_) word = reader.U64Le();
  KMS_RETURN_IF_ERROR(reader.Finish("row sum"));
  return sum;
}

std::string RowSum::bytes() const {
  ByteWriter writer;
  for (const uint64_t word : words_) writer.U64Le(word);
  return writer.Take();
}

void RowSum::Add(const RowSum& other) {
  unsigned __int128 carry = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    carry += words_[i];
    carry += other.words_[i];
    words_[i] = static_cast<uint64_t>(carry);
    carry >>= 64;
  }
}

void RowSum::Subtract(const RowSum& other) {
  uint64_t borrow = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    const unsigned __int128 take =
        static_cast<unsigned __int128>(other.words_[i]) + borrow;
    borrow = words_[i] < take ? 1 : 0;
    words_[i] -= static_cast<uint64_t>(take);
  }
}

absl::StatusOr<RowHasher> RowHasher::Create(const Keyring& keyring) {
  KMS_ASSIGN_OR_RETURN(const Secret* key,
                       keyring.Get(KeyKind::kRowSum, kKeyVersion));
  KMS_ASSIGN_OR_RETURN(crypto::HmacSha256Key hmac,
                       crypto::HmacSha256Key::Create(*key));
  return RowHasher(std::move(hmac));
}

RowSum RowHasher::Hash(const RowKey& key, absl::string_view value) const {
  const BytesView parts[] = {AsBytes(key.bytes()), AsBytes(value)};
  // A tag is 32 bytes, as FromBytes wants.
  return *RowSum::FromBytes(key_.Mac(parts));
}

absl::StatusOr<RowBatch::Row*> RowBatch::Find(const RowKey& key) {
  const auto found = rows_.find(key);
  if (found != rows_.end()) return &found->second;
  KMS_ASSIGN_OR_RETURN(std::optional<std::string> value, reader_.Get(key));
  Row& row = rows_[key];
  row.now = value;
  row.before = std::move(value);
  return &row;
}

absl::StatusOr<std::optional<std::string>> RowBatch::Get(const RowKey& key) {
  KMS_ASSIGN_OR_RETURN(const Row* row, Find(key));
  return row->now;
}

absl::Status RowBatch::Put(const RowKey& key, std::string value) {
  KMS_ASSIGN_OR_RETURN(Row* const row, Find(key));
  row->now = std::move(value);
  row->written = true;
  return absl::OkStatus();
}

absl::Status RowBatch::Delete(const RowKey& key) {
  KMS_ASSIGN_OR_RETURN(Row* const row, Find(key));
  if (!row->now.has_value()) return RowLoss(key.family(), "is missing");
  row->now.reset();
  row->written = true;
  return absl::OkStatus();
}

void RowBatch::Append(const RowKey& key, std::string value) {
  Row& row = rows_[key];
  row.now = std::move(value);
  row.written = true;
}

void RowBatch::Digest(crypto::Sha256Hasher& hasher) const {
  for (const auto& [key, row] : rows_) {
    if (!row.written) continue;
    if (row.now.has_value()) {
      hasher.Update(
          ByteWriter().U8(1).Field(key.bytes()).Field(*row.now).str());
    } else {
      hasher.Update(ByteWriter().U8(2).Field(key.bytes()).str());
    }
  }
}

bool RowBatch::WritesSettings() const {
  for (const auto& [key, row] : rows_) {
    if (!row.written) continue;
    switch (key.family()) {
      case Family::kHeader:
      case Family::kInstance:
      case Family::kDigest:
      case Family::kReleaseCount:
      case Family::kSpent:
      case Family::kSpentExpiry:
      case Family::kQuota:
      case Family::kLeases:
      case Family::kRefusalRate:
      case Family::kLeaf:
      case Family::kTile:
        break;
      default:
        return true;
    }
  }
  return false;
}

void RowBatch::MoveSum(const RowHasher& hasher, RowSum& sum) const {
  for (const auto& [key, row] : rows_) {
    if (!row.written || !InfoOf(key.family()).summed) continue;
    if (row.before.has_value()) sum.Subtract(hasher.Hash(key, *row.before));
    if (row.now.has_value()) sum.Add(hasher.Hash(key, *row.now));
  }
}

absl::Status RowBatch::Seal(const Envelope& envelope,
                            WriteBatch& writes) const {
  for (const auto& [key, row] : rows_) {
    if (!row.written) continue;
    if (row.now.has_value()) {
      KMS_ASSIGN_OR_RETURN(const std::string stored,
                           SealRow(envelope, key, *row.now));
      writes.Put(key.bytes(), stored);
    } else {
      writes.Delete(key.bytes());
    }
  }
  return absl::OkStatus();
}

}  // namespace kms::storage
