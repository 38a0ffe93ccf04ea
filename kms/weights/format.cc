#include "kms/weights/format.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/name_syntax.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/weights/limits.h"

namespace kms::weights {
namespace {

// As PNG's: a byte that is no ASCII, and line ends that a transfer as text
// would change.
constexpr uint8_t kMagic[8] = {0x89, 'K', 'M', 'S', 'W', '\r', '\n', 0x1a};
constexpr uint16_t kFormat = 1;

uint64_t RoundUpToBlock(uint64_t size) {
  return (size + kBlockSize - 1) / kBlockSize * kBlockSize;
}

uint64_t SegmentCount(uint64_t size, uint8_t segment_log2) {
  return (size >> segment_log2) +
         ((size & ((uint64_t{1} << segment_log2) - 1)) != 0 ? 1 : 0);
}

template <size_t kSize>
void Take(ByteReader& reader, std::array<uint8_t, kSize>& field) {
  const BytesView bytes = reader.Bytes(kSize);
  std::copy(bytes.begin(), bytes.end(), field.begin());
}

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("weights header: ", what));
}

ByteWriter WritePrefix(const Header& header) {
  ByteWriter writer;
  writer.Bytes(BytesView(kMagic))
      .U16Le(kFormat)
      .U8(header.segment_log2)
      .U8(static_cast<uint8_t>(header.key.name_space.size()))
      .U8(static_cast<uint8_t>(header.key.name.size()))
      .U32Le(header.key.version)
      .U64Le(header.size)
      .Bytes(header.salt)
      .Bytes(AsBytes(header.key.name_space))
      .Bytes(AsBytes(header.key.name));
  return writer;
}

}  // namespace

std::string ToString(const KeyName& key) {
  return absl::StrCat(key.name_space, "/", key.name, ", version ", key.version);
}

absl::Status CheckHeader(const Header& header) {
  const KeyName& key = header.key;
  if (key.name_space.size() > kNamespaceSizeMax ||
      !HasNameSyntax(key.name_space)) {
    return Malformed("the namespace is not a name");
  }
  if (key.name.size() > kKeyNameSizeMax || !HasNameSyntax(key.name)) {
    return Malformed("the key's name is not a name");
  }
  if (key.version == 0) return Malformed("key version 0, want at least 1");
  if (header.segment_log2 < kSegmentLog2Min ||
      header.segment_log2 > kSegmentLog2Max) {
    return Malformed(absl::StrCat("segments of 2^", header.segment_log2,
                                  " bytes, want 2^", kSegmentLog2Min, " to 2^",
                                  kSegmentLog2Max));
  }
  // Bounded before it is shifted, so that no size can wrap.
  if (header.size > kPlaintextSizeMax ||
      SegmentCount(header.size, header.segment_log2) > kSegmentCountMax) {
    return Malformed(absl::StrCat(header.size, " bytes, more than ",
                                  kSegmentCountMax, " segments"));
  }
  return absl::OkStatus();
}

std::string EncodeHeaderPrefix(const Header& header) {
  return WritePrefix(header).Take();
}

std::string EncodeTaggedHeader(const Header& header) {
  return WritePrefix(header).Bytes(header.table_digest).Take();
}

std::string EncodeHeader(const Header& header) {
  return WritePrefix(header)
      .Bytes(header.table_digest)
      .Bytes(header.tag)
      .Take();
}

std::string ArtifactDigest(const Header& header) {
  return crypto::Sha256(AsBytes(EncodeHeader(header)));
}

std::string EncodeHeaderBlock(const Header& header) {
  std::string block = EncodeHeader(header);
  block.resize(kBlockSize, '\0');
  return block;
}

absl::StatusOr<Header> ParseHeaderBlock(BytesView block) {
  ByteReader reader(block);
  if (reader.Bytes(sizeof(kMagic)) != BytesView(kMagic)) {
    return absl::InvalidArgumentError("weights file: it is not one");
  }
  if (block.size() != kBlockSize) return Malformed("truncated");
  if (const uint16_t format = reader.U16Le(); format != kFormat) {
    return Malformed(absl::StrCat("format ", format, ", want ", kFormat));
  }
  Header header;
  header.segment_log2 = reader.U8();
  const size_t name_space_size = reader.U8();
  const size_t name_size = reader.U8();
  header.key.version = reader.U32Le();
  header.size = reader.U64Le();
  Take(reader, header.salt);
  header.key.name_space = kms::ToString(reader.Bytes(name_space_size));
  header.key.name = kms::ToString(reader.Bytes(name_size));
  Take(reader, header.table_digest);
  Take(reader, header.tag);
  reader.Zeros(reader.remaining());
  KMS_RETURN_IF_ERROR(reader.Finish("weights header"));
  KMS_RETURN_IF_ERROR(CheckHeader(header));
  return header;
}

Layout::Layout(const Header& header)
    : segment_log2_(header.segment_log2),
      size_(header.size),
      segments_(SegmentCount(header.size, header.segment_log2)),
      data_offset_(kBlockSize + RoundUpToBlock(segments_ * kEntrySize)) {}

size_t Layout::SizeOf(uint64_t index) const {
  return static_cast<size_t>(
      std::min<uint64_t>(segment_size(), size_ - PlaintextOffset(index)));
}

uint8_t SegmentLog2For(uint64_t plaintext_size) {
  uint8_t log2 = kSegmentLog2Default;
  while (SegmentCount(plaintext_size, log2) > kSegmentCountMax) ++log2;
  return log2;
}

absl::StatusOr<Table> Table::Parse(std::string bytes) {
  Table table(0);
  table.bytes_ = std::move(bytes);
  for (uint64_t i = 0; i < table.segments(); ++i) {
    ByteReader reader(table.EntryBytes(i));
    reader.Bytes(kDigestSize + kSegmentTagSize + kNoncePrefixSize);
    reader.Zeros(reader.remaining());
    KMS_RETURN_IF_ERROR(reader.Finish("weights table"));
  }
  if (table.bytes_.size() % kEntrySize != 0) {
    return absl::InvalidArgumentError("weights table: not whole entries");
  }
  return table;
}

std::string Table::Digest() const { return crypto::Sha256(AsBytes(bytes_)); }

BytesView Table::EntryBytes(uint64_t index) const {
  return AsBytes(bytes_).subspan(index * kEntrySize, kEntrySize);
}

Entry Table::Get(uint64_t index) const {
  ByteReader reader(EntryBytes(index));
  Entry entry;
  Take(reader, entry.digest);
  Take(reader, entry.tag);
  Take(reader, entry.nonce_prefix);
  return entry;
}

void Table::Set(uint64_t index, const Entry& entry) {
  char* out = bytes_.data() + index * kEntrySize;
  out = std::copy(entry.digest.begin(), entry.digest.end(), out);
  out = std::copy(entry.tag.begin(), entry.tag.end(), out);
  std::copy(entry.nonce_prefix.begin(), entry.nonce_prefix.end(), out);
}

}  // namespace kms::weights
