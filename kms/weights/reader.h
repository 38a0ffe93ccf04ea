// Opening an encrypted weights file, in two steps that are two types: what a
// file says of itself, and what the holder of the data key has found true.
// Source: format.h.
// Thread-safe: immutable once open; any number of threads may read at once.
//
// The file may be in an attacker's hands while it is read: header and table
// are read once and kept, and each segment is copied to the caller's memory
// before anything of it is believed.
#ifndef KMS_WEIGHTS_READER_H_
#define KMS_WEIGHTS_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/secret.h"
#include "kms/weights/file.h"
#include "kms/weights/file_keys.h"
#include "kms/weights/format.h"

namespace kms::weights {

// A well-formed file of the right size whose table has the header's digest.
// Nobody has vouched for it yet, unless its artifact digest is known from
// elsewhere.
class UnverifiedFile {
 public:
  // kInvalidArgument: not a weights file, or malformed. kUnauthenticated: cut
  // short, extended, never finished, or the table is not the header's.
  // Others: it cannot be opened or read.
  static absl::StatusOr<UnverifiedFile> Open(const std::string& path);

  const Header& header() const { return header_; }
  const Layout& layout() const { return layout_; }
  const Table& table() const { return table_; }
  const std::string& path() const { return file_.path(); }
  // 32 bytes.
  const std::string& artifact_digest() const { return artifact_digest_; }

  // Fills `out` with segment `index`'s ciphertext, its digest not compared.
  // REQUIRES: out.size() == layout().SizeOf(index).
  absl::Status ReadSegment(uint64_t index, absl::Span<uint8_t> out) const;

  // The same, compared. kUnauthenticated: it is not what the table says.
  absl::Status ReadCheckedSegment(uint64_t index,
                                  absl::Span<uint8_t> out) const;

 private:
  UnverifiedFile(File file, Header header, Table table);

  File file_;
  Header header_;
  Layout layout_;
  Table table_;
  std::string artifact_digest_;
};

// What the file is asked to be.
struct Expectation {
  std::string name_space;
  std::string name;
  std::optional<uint32_t> version;  // None: any version of that key.
  // None: any file that a holder of the data key wrote. Given, every segment
  // read is also compared with its digest: holders of the data key, who can
  // forge a GCM tag, are then not trusted either.
  std::optional<std::string> artifact_digest;  // 32 bytes.
};

// kUnauthenticated: another artifact.
absl::Status CheckArtifact(const UnverifiedFile& file,
                           absl::string_view artifact_digest);

// kFailedPrecondition: a file under another key or version.
// kUnauthenticated: another artifact.
absl::Status CheckExpectation(const UnverifiedFile& file,
                              const Expectation& expected);

class Reader {
 public:
  // Takes `file` if it is what is expected and `data_key` opens it.
  // Codes as CheckExpectation, FileKeys::Derive and CheckHeaderTag.
  static absl::StatusOr<Reader> Create(UnverifiedFile file,
                                       const Secret& data_key,
                                       const Expectation& expected);

  const Header& header() const { return file_.header(); }
  const Layout& layout() const { return file_.layout(); }
  const Table& table() const { return file_.table(); }
  const FileKeys& keys() const { return keys_; }
  const std::string& artifact_digest() const { return file_.artifact_digest(); }
  // Fills `out` with segment `index`'s plaintext, decrypted in place there; its
  // digest is compared if an artifact digest was expected.
  // kUnauthenticated, and `out` zero: it is not what was encrypted.
  // REQUIRES: out.size() == layout().SizeOf(index).
  absl::Status ReadSegment(uint64_t index, absl::Span<uint8_t> out) const;

  // The same, the digest compared in any case.
  absl::Status ReadCheckedSegment(uint64_t index,
                                  absl::Span<uint8_t> out) const;

  // Fills `out` with the plaintext from `offset` on. Whole segments go straight
  // to `out`; of those at its ends the last few are kept, so that reading on
  // does not decrypt them again.
  // kOutOfRange: beyond the end. On any failure `out` is zero.
  absl::Status ReadAt(uint64_t offset, absl::Span<uint8_t> out) const;

 private:
  class SegmentCache;

  Reader(UnverifiedFile file, FileKeys keys, bool checks_digests);

  // Decrypts segment `index`, which `out` holds, in place.
  absl::Status Open(uint64_t index, absl::Span<uint8_t> out) const;

  UnverifiedFile file_;
  FileKeys keys_;
  bool checks_digests_;
  std::shared_ptr<SegmentCache> cache_;  // Thread-safe.
};

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_READER_H_
