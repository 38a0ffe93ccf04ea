// The layout of an encrypted weights file: its header, its table of segments
// and where everything lies. Integers are little-endian.
//
//   file    := header zeros table zeros segments
//              // Zeros up to a multiple of 4096 each time, so that segments
//              // are aligned as disks and mappings want them.
//   header  := magic:          uint8[8]   // 89 'K' 'M' 'S' 'W' 0d 0a 1a
//              format:         uint16     // 1
//              segment_log2:   uint8      // 16 to 24
//              namespace_size: uint8      // 1 to 64
//              name_size:      uint8      // 1 to 128
//              key_version:    uint32     // From 1.
//              size:           uint64     // Of the plaintext.
//              salt:           uint8[32]  // Random, for each file.
//              namespace:      uint8[namespace_size]
//              name:           uint8[name_size]   // Of the key.
//              table_digest:   uint8[32]  // SHA-256(table).
//              tag:            uint8[32]  // HMAC-SHA256; see file_keys.h.
//   table   := entry[ceil(size / 2^segment_log2)]
//   entry   := digest:         uint8[32]  // SHA-256(ciphertext).
//              tag:            uint8[16]  // AES-256-GCM's.
//              nonce_prefix:   uint8[7]   // Random, for each run of a writer.
//              zeros:          uint8[9]
//   segments := the ciphertext, exactly `size` bytes; segment i begins at
//              i * 2^segment_log2, and only the last one may be shorter.
//
// The artifact digest is SHA-256(header). It names header, table and, through
// the table, every byte of ciphertext; README.md says why it is that.
//
// A file whose table_digest is zero was never finished.
// Parsing here means well-formed, not authentic: see file_keys.h and reader.h.
// Thread-safe: values and free functions. A Table takes concurrent calls that
// name different entries.
#ifndef KMS_WEIGHTS_FORMAT_H_
#define KMS_WEIGHTS_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"

namespace kms::weights {

// What the header and the table are padded to.
inline constexpr uint64_t kBlockSize = 4096;
inline constexpr size_t kEntrySize = 64;
inline constexpr size_t kDigestSize = 32;
inline constexpr size_t kSaltSize = 32;
inline constexpr size_t kHeaderTagSize = 32;
inline constexpr size_t kSegmentTagSize = 16;
inline constexpr size_t kNoncePrefixSize = 7;

// The key that a file is encrypted under.
struct KeyName {
  std::string name_space;
  std::string name;
  uint32_t version = 0;

  friend bool operator==(const KeyName&, const KeyName&) = default;
};

// "default/llama, version 3".
std::string ToString(const KeyName& key);

struct Header {
  KeyName key;
  uint8_t segment_log2 = 0;
  uint64_t size = 0;
  std::array<uint8_t, kSaltSize> salt = {};
  std::array<uint8_t, kDigestSize> table_digest = {};
  std::array<uint8_t, kHeaderTagSize> tag = {};
};

// kInvalidArgument: a field is out of its bounds.
absl::Status CheckHeader(const Header& header);

// The header's bytes; those before table_digest (what the file's keys are
// derived for), and those before the tag (what it authenticates).
// REQUIRES: CheckHeader(header).ok().
std::string EncodeHeader(const Header& header);
std::string EncodeHeaderPrefix(const Header& header);
std::string EncodeTaggedHeader(const Header& header);

// SHA-256 of EncodeHeader, 32 bytes.
std::string ArtifactDigest(const Header& header);

// EncodeHeader and zeros, kBlockSize bytes.
std::string EncodeHeaderBlock(const Header& header);

// The inverse. kInvalidArgument: not kBlockSize bytes, not a weights file, of
// another format, a field out of its bounds, or a byte after it not zero.
absl::StatusOr<Header> ParseHeaderBlock(BytesView block);

// Where things lie in the file of a header.
class Layout {
 public:
  // REQUIRES: CheckHeader(header).ok().
  explicit Layout(const Header& header);

  uint64_t segments() const { return segments_; }
  uint64_t table_size() const { return segments_ * kEntrySize; }
  uint64_t table_offset() const { return kBlockSize; }
  uint64_t data_offset() const { return data_offset_; }
  uint64_t file_size() const { return data_offset_ + size_; }
  uint64_t plaintext_size() const { return size_; }
  size_t segment_size() const { return size_t{1} << segment_log2_; }

  // REQUIRES: index < segments().
  uint64_t PlaintextOffset(uint64_t index) const {
    return index << segment_log2_;
  }
  uint64_t FileOffset(uint64_t index) const {
    return data_offset_ + PlaintextOffset(index);
  }
  size_t SizeOf(uint64_t index) const;  // 1 to segment_size().
  bool IsLast(uint64_t index) const { return index + 1 == segments_; }
  // The segment of a byte of plaintext. REQUIRES: offset < plaintext_size().
  uint64_t IndexOf(uint64_t offset) const { return offset >> segment_log2_; }

 private:
  uint8_t segment_log2_;
  uint64_t size_;
  uint64_t segments_;
  uint64_t data_offset_;
};

// The default segment size, or the least that keeps the table within bounds.
// REQUIRES: plaintext_size <= kPlaintextSizeMax.
uint8_t SegmentLog2For(uint64_t plaintext_size);

struct Entry {
  std::array<uint8_t, kDigestSize> digest = {};
  std::array<uint8_t, kSegmentTagSize> tag = {};
  std::array<uint8_t, kNoncePrefixSize> nonce_prefix = {};
};

class Table {
 public:
  // A table of zeros, which is what stands for segments not yet written.
  explicit Table(uint64_t segments) : bytes_(segments * kEntrySize, '\0') {}

  // `bytes`: whole entries. kInvalidArgument: what has to be zero is not.
  static absl::StatusOr<Table> Parse(std::string bytes);

  uint64_t segments() const { return bytes_.size() / kEntrySize; }
  const std::string& bytes() const { return bytes_; }
  // SHA-256 of all entries, 32 bytes.
  std::string Digest() const;

  // REQUIRES: index < segments().
  Entry Get(uint64_t index) const;
  void Set(uint64_t index, const Entry& entry);
  BytesView EntryBytes(uint64_t index) const;
  bool IsSet(uint64_t index) const { return !AllZero(EntryBytes(index)); }

 private:
  std::string bytes_;
};

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_FORMAT_H_
