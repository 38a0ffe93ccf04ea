#include "kms/weights/reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/secret.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::weights {
namespace {

// Segments kept for reads that do not cover them; one for each thread that
// reads at a time, up to this many.
constexpr size_t kCachedSegmentsMax = 16;

absl::Span<uint8_t> Bytes(std::string& s) {
  return {reinterpret_cast<uint8_t*>(s.data()), s.size()};
}

// What stands between header and table, and between table and segments.
absl::Status CheckPadding(BytesView padding, absl::string_view where) {
  if (AllZero(padding)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("weights file: padding after the ", where, " is not zero"));
}

}  // namespace

UnverifiedFile::UnverifiedFile(File file, Header header, Table table)
    : file_(std::move(file)),
      header_(std::move(header)),
      layout_(header_),
      table_(std::move(table)),
      artifact_digest_(ArtifactDigest(header_)) {}

absl::StatusOr<UnverifiedFile> UnverifiedFile::Open(const std::string& path) {
  KMS_ASSIGN_OR_RETURN(File file, File::OpenToRead(path));
  KMS_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  std::string block(static_cast<size_t>(std::min(size, kBlockSize)), '\0');
  KMS_RETURN_IF_ERROR(file.ReadAt(0, Bytes(block)));
  KMS_ASSIGN_OR_RETURN(Header header, ParseHeaderBlock(AsBytes(block)));
  const Layout layout(header);
  // Before the table is given memory, so that a small file cannot ask for much.
  if (size != layout.file_size()) {
    return absl::UnauthenticatedError(
        absl::StrCat("weights file: ", size, " bytes, want ",
                     layout.file_size(), ": cut short or extended"));
  }
  std::string table_bytes(
      static_cast<size_t>(layout.data_offset() - layout.table_offset()), '\0');
  KMS_RETURN_IF_ERROR(file.ReadAt(layout.table_offset(), Bytes(table_bytes)));
  const auto table_size = static_cast<size_t>(layout.table_size());
  KMS_RETURN_IF_ERROR(
      CheckPadding(AsBytes(table_bytes).subspan(table_size), "table"));
  table_bytes.resize(table_size);
  KMS_ASSIGN_OR_RETURN(Table table, Table::Parse(std::move(table_bytes)));
  if (AllZero(header.table_digest)) {
    return absl::UnauthenticatedError("weights file: it was never finished");
  }
  if (AsBytes(table.Digest()) != BytesView(header.table_digest)) {
    return absl::UnauthenticatedError(
        "weights file: the table is not the header's");
  }
  return UnverifiedFile(std::move(file), std::move(header), std::move(table));
}

absl::Status UnverifiedFile::ReadSegment(uint64_t index,
                                         absl::Span<uint8_t> out) const {
  return file_.ReadAt(layout_.FileOffset(index), out);
}

absl::Status UnverifiedFile::ReadCheckedSegment(uint64_t index,
                                                absl::Span<uint8_t> out) const {
  KMS_RETURN_IF_ERROR(ReadSegment(index, out));
  const Entry entry = table_.Get(index);
  if (AsBytes(crypto::Sha256(out)) == BytesView(entry.digest)) {
    return absl::OkStatus();
  }
  Wipe(out);
  return absl::UnauthenticatedError(absl::StrCat(
      "weights segment ", index, ": not the bytes that its digest names"));
}

absl::Status CheckArtifact(const UnverifiedFile& file,
                           absl::string_view artifact_digest) {
  if (file.artifact_digest() == artifact_digest) return absl::OkStatus();
  return absl::UnauthenticatedError(
      absl::StrCat("weights file: artifact ", Hex(file.artifact_digest()),
                   ", not the one that is wanted"));
}

absl::Status CheckExpectation(const UnverifiedFile& file,
                              const Expectation& expected) {
  const KeyName& key = file.header().key;
  if (key.name_space != expected.name_space || key.name != expected.name ||
      (expected.version.has_value() && key.version != *expected.version)) {
    return absl::FailedPreconditionError(
        absl::StrCat("weights header: names key ", ToString(key), ", want ",
                     expected.name_space, "/", expected.name, ", ",
                     expected.version.has_value()
                         ? absl::StrCat("version ", *expected.version)
                         : "any version"));
  }
  return expected.artifact_digest.has_value()
             ? CheckArtifact(file, *expected.artifact_digest)
             : absl::OkStatus();
}

// Lends decrypted segments, each to one thread at a time.
class Reader::SegmentCache {
 public:
  struct Segment {
    uint64_t index = 0;
    std::string plaintext;  // Empty: none yet.

    Segment() = default;
    Segment(Segment&&) = default;
    Segment& operator=(Segment&&) = default;
    ~Segment() { Wipe(plaintext); }
  };

  // Segment `index` if it is there, else another's buffer or an empty one.
  Segment Borrow(uint64_t index) {
    const absl::MutexLock lock(&mutex_);
    if (segments_.empty()) return Segment();
    auto found = std::find_if(
        segments_.begin(), segments_.end(),
        [&](const Segment& segment) { return segment.index == index; });
    // The oldest one's memory, unless there is room for one more.
    if (found == segments_.end()) {
      if (segments_.size() < kCachedSegmentsMax) return Segment();
      found = segments_.begin();
    }
    Segment segment = std::move(*found);
    segments_.erase(found);
    return segment;
  }

  void Return(Segment segment) {
    const absl::MutexLock lock(&mutex_);
    if (segments_.size() < kCachedSegmentsMax) {
      segments_.push_back(std::move(segment));
    }
  }

 private:
  absl::Mutex mutex_;
  std::vector<Segment> segments_ ABSL_GUARDED_BY(mutex_);  // Oldest first.
};

Reader::Reader(UnverifiedFile file, FileKeys keys, bool checks_digests)
    : file_(std::move(file)),
      keys_(std::move(keys)),
      checks_digests_(checks_digests),
      cache_(std::make_shared<SegmentCache>()) {}

absl::StatusOr<Reader> Reader::Create(UnverifiedFile file,
                                      const Secret& data_key,
                                      const Expectation& expected) {
  KMS_RETURN_IF_ERROR(CheckExpectation(file, expected));
  KMS_ASSIGN_OR_RETURN(FileKeys keys,
                       FileKeys::Derive(data_key, file.header()));
  KMS_RETURN_IF_ERROR(keys.CheckHeaderTag(file.header()));
  return Reader(std::move(file), std::move(keys),
                expected.artifact_digest.has_value());
}

absl::Status Reader::ReadSegment(uint64_t index,
                                 absl::Span<uint8_t> out) const {
  if (checks_digests_) return ReadCheckedSegment(index, out);
  KMS_RETURN_IF_ERROR(file_.ReadSegment(index, out));
  return Open(index, out);
}

absl::Status Reader::ReadCheckedSegment(uint64_t index,
                                        absl::Span<uint8_t> out) const {
  KMS_RETURN_IF_ERROR(file_.ReadCheckedSegment(index, out));
  return Open(index, out);
}

absl::Status Reader::Open(uint64_t index, absl::Span<uint8_t> out) const {
  if (keys_.Open(index, layout().IsLast(index), table().Get(index), out, out)) {
    return absl::OkStatus();
  }
  return absl::UnauthenticatedError(
      absl::StrCat("weights segment ", index, ": does not authenticate"));
}

absl::Status Reader::ReadAt(uint64_t offset, absl::Span<uint8_t> out) const {
  if (offset > layout().plaintext_size() ||
      out.size() > layout().plaintext_size() - offset) {
    Wipe(out);
    return absl::OutOfRangeError(absl::StrCat("weights read: ", out.size(),
                                              " bytes from ", offset, " of ",
                                              layout().plaintext_size()));
  }
  absl::Span<uint8_t> rest = out;
  while (!rest.empty()) {
    const uint64_t index = layout().IndexOf(offset);
    const size_t segment_size = layout().SizeOf(index);
    const auto skip =
        static_cast<size_t>(offset - layout().PlaintextOffset(index));
    const size_t size = std::min(rest.size(), segment_size - skip);
    absl::Status status;
    if (size == segment_size) {
      status = ReadSegment(index, rest.first(size));
    } else {
      SegmentCache::Segment segment = cache_->Borrow(index);
      if (segment.index != index || segment.plaintext.empty()) {
        segment.index = index;
        segment.plaintext.resize(segment_size);
        status = ReadSegment(index, Bytes(segment.plaintext));
      }
      if (status.ok()) {
        std::copy_n(Bytes(segment.plaintext).begin() + skip, size,
                    rest.begin());
        cache_->Return(std::move(segment));
      }
    }
    if (!status.ok()) {
      Wipe(out);
      return status;
    }
    offset += size;
    rest.remove_prefix(size);
  }
  return absl::OkStatus();
}

}  // namespace kms::weights
