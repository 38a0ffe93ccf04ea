#include "storage/snapshot/chunk.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/snapshot/limits.h"

namespace kms::storage {
namespace {

constexpr uint8_t kHeaderTag = 1;
constexpr uint8_t kRowTag = 2;
constexpr uint8_t kEndTag = 3;

// A header has some twenty numbers and hashes.
constexpr size_t kHeaderBytesMax = 4096;
constexpr size_t kRowKeyBytesMax = 128;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("snapshot chunk: ", fault));
}

absl::string_view Field(ByteReader& reader, size_t size_max) {
  const uint32_t size = reader.U32Be();
  if (size > size_max) reader.Fail();
  return AsStringView(reader.Bytes(reader.failed() ? 0 : size));
}

absl::StatusOr<SnapshotRecord> ReadRecord(ByteReader& reader) {
  switch (reader.U8()) {
    case kHeaderTag: {
      const absl::string_view bytes = Field(reader, kHeaderBytesMax);
      if (reader.failed()) return Malformed("a header cut short or too long");
      return SnapshotHeader{bytes};
    }
    case kRowTag: {
      const absl::string_view key = Field(reader, kRowKeyBytesMax);
      const absl::string_view value = Field(reader, kRowValueBytesMax);
      if (reader.failed()) return Malformed("a row cut short or too long");
      absl::StatusOr<RowKey> row_key = ParseRowKey(key);
      if (!row_key.ok()) return Malformed("a row key that is none");
      return SnapshotRow{*std::move(row_key), value};
    }
    case kEndTag: {
      const uint64_t rows = reader.U64Be();
      if (reader.failed()) return Malformed("an end cut short");
      return SnapshotEnd{rows};
    }
    default:
      return Malformed("an unknown record");
  }
}

std::string AadOf(const ChunkPlace& place) {
  return ByteWriter()
      .Field("kms.v1 snapshot")
      .Field(place.cluster_id)
      .U64Be(place.position.epoch)
      .U64Be(place.position.index)
      .U64Be(place.number)
      .Take();
}

}  // namespace

void PutRecord(const SnapshotRecord& record, ByteWriter& chunk) {
  if (const auto* header = std::get_if<SnapshotHeader>(&record)) {
    chunk.U8(kHeaderTag).Field(header->bytes);
  } else if (const auto* row = std::get_if<SnapshotRow>(&record)) {
    chunk.U8(kRowTag).Field(row->key.bytes()).Field(row->value);
  } else {
    chunk.U8(kEndTag).U64Be(std::get<SnapshotEnd>(record).rows);
  }
}

absl::Status ParseChunk(
    BytesView chunk,
    absl::FunctionRef<absl::Status(const SnapshotRecord& record)> fn) {
  if (chunk.empty()) return Malformed("empty");
  ByteReader reader(chunk);
  while (reader.remaining() != 0) {
    KMS_ASSIGN_OR_RETURN(const SnapshotRecord record, ReadRecord(reader));
    KMS_RETURN_IF_ERROR(fn(record));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SealChunk(const Envelope& envelope,
                                      const ChunkPlace& place,
                                      absl::string_view chunk) {
  return envelope.Seal(KeyKind::kStorage, AsBytes(chunk),
                       AsBytes(AadOf(place)));
}

absl::StatusOr<std::string> OpenChunk(const Envelope& envelope,
                                      const ChunkPlace& place,
                                      absl::string_view sealed) {
  if (sealed.size() > kSnapshotChunkBytesMax + kEnvelopeOverhead) {
    return Malformed("too long");
  }
  return envelope.Open(KeyKind::kStorage, AsBytes(sealed),
                       AsBytes(AadOf(place)));
}

}  // namespace kms::storage
