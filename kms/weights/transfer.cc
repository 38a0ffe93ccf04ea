#include "kms/weights/transfer.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/weights/file.h"
#include "kms/weights/limits.h"
#include "kms/weights/partial_file.h"
#include "kms/weights/segment_workers.h"

namespace kms::weights {
namespace {

void Report(const TransferOptions& options, uint64_t bytes) {
  if (options.progress) options.progress(bytes);
}

// --- Encrypt ---

// A file whose header block is written, all but its table_digest.
struct Begun {
  Header header;
  FileKeys keys;
  Table table;  // The segments of earlier runs; none is believed yet.
};

absl::Status Tag(const FileKeys& keys, Header& header) {
  KMS_ASSIGN_OR_RETURN(const std::string tag, keys.HeaderTag(header));
  std::copy(tag.begin(), tag.end(), header.tag.begin());
  return absl::OkStatus();
}

// What an earlier run left in `file`, if that was on the way to what is
// `wanted`; nothing if it was not.
std::optional<Begun> Resume(const File& file, const Header& wanted,
                            const Secret& data_key) {
  std::string block(kBlockSize, '\0');
  const auto bytes = [](std::string& s) {
    return absl::MakeSpan(reinterpret_cast<uint8_t*>(s.data()), s.size());
  };
  if (!file.ReadAt(0, bytes(block)).ok()) return std::nullopt;
  absl::StatusOr<Header> header = ParseHeaderBlock(AsBytes(block));
  if (!header.ok() || !(header->key == wanted.key) ||
      header->segment_log2 != wanted.segment_log2 ||
      header->size != wanted.size) {
    return std::nullopt;
  }
  absl::StatusOr<FileKeys> keys = FileKeys::Derive(data_key, *header);
  if (!keys.ok() || !keys->CheckHeaderTag(*header).ok()) return std::nullopt;
  const Layout layout(*header);
  std::string table_bytes(static_cast<size_t>(layout.table_size()), '\0');
  if (!file.ReadAt(layout.table_offset(), bytes(table_bytes)).ok()) {
    return std::nullopt;
  }
  absl::StatusOr<Table> table = Table::Parse(std::move(table_bytes));
  if (!table.ok()) return std::nullopt;
  return Begun{*std::move(header), *std::move(keys), *std::move(table)};
}

absl::StatusOr<Begun> BeginEncryption(PartialFile& output, const Header& wanted,
                                      const Secret& data_key) {
  if (output.resumed()) {
    std::optional<Begun> begun = Resume(output.file(), wanted, data_key);
    if (begun.has_value()) {
      KMS_RETURN_IF_ERROR(output.Reserve(Layout(begun->header).file_size()));
      return *std::move(begun);
    }
  }
  KMS_RETURN_IF_ERROR(output.Clear());
  Header header = wanted;
  crypto::RandomBytes(absl::MakeSpan(header.salt));
  KMS_ASSIGN_OR_RETURN(FileKeys keys, FileKeys::Derive(data_key, header));
  KMS_RETURN_IF_ERROR(Tag(keys, header));
  const Layout layout(header);
  KMS_RETURN_IF_ERROR(output.Reserve(layout.file_size()));
  KMS_RETURN_IF_ERROR(
      output.file().WriteAt(0, AsBytes(EncodeHeaderBlock(header))));
  return Begun{std::move(header), std::move(keys), Table(layout.segments())};
}

// Whether `output` holds segment `index` of this very plaintext, as its entry
// says. Input or file may have changed since the entry was written.
bool HasSegment(const Begun& begun, const Layout& layout, const File& output,
                uint64_t index, BytesView plaintext,
                absl::Span<uint8_t> scratch) {
  if (!begun.table.IsSet(index)) return false;
  const Entry entry = begun.table.Get(index);
  return output.ReadAt(layout.FileOffset(index), scratch).ok() &&
         AsBytes(crypto::Sha256(scratch)) == BytesView(entry.digest) &&
         begun.keys.Open(index, layout.IsLast(index), entry, scratch,
                         scratch) &&
         BytesView(scratch) == plaintext;
}

absl::Status FinishEncryption(Begun& begun, const Layout& layout,
                              const File& output) {
  std::string table = begun.table.bytes();
  table.resize(
      static_cast<size_t>(layout.data_offset() - layout.table_offset()), '\0');
  KMS_RETURN_IF_ERROR(output.WriteAt(layout.table_offset(), AsBytes(table)));
  const std::string digest = begun.table.Digest();
  std::copy(digest.begin(), digest.end(), begun.header.table_digest.begin());
  KMS_RETURN_IF_ERROR(Tag(begun.keys, begun.header));
  return output.WriteAt(0, AsBytes(EncodeHeaderBlock(begun.header)));
}

// Tells whether a file was written to, as far as the system says.
class ChangeWatch {
 public:
  explicit ChangeWatch(const File& file) : file_(file), before_(Facts(file)) {}

  absl::Status Check() const {
    const struct stat now = Facts(file_);
    const auto same = [](const timespec& a, const timespec& b) {
      return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
    };
    if (now.st_size == before_.st_size && same(now.st_mtim, before_.st_mtim) &&
        same(now.st_ctim, before_.st_ctim)) {
      return absl::OkStatus();
    }
    return Changed();
  }

  absl::Status Changed() const {
    return absl::AbortedError(
        absl::StrCat(file_.path(), ": changed while it was read"));
  }

 private:
  static struct stat Facts(const File& file) {
    struct stat facts = {};
    fstat(file.fd(), &facts);
    return facts;
  }

  const File& file_;
  const struct stat before_;
};

// --- Decrypt ---

// Whether `output` holds segment `index` of this file: what encrypts to the
// tag and the digest in the table is the plaintext.
bool HasPlaintext(const Reader& reader, const File& output, uint64_t index,
                  SegmentBuffers& buffers) {
  const Layout& layout = reader.layout();
  const size_t size = layout.SizeOf(index);
  const absl::Span<uint8_t> plaintext = buffers.First(size);
  // Zeros are most likely space that was reserved only; decrypting them is as
  // good as checking them.
  if (!output.ReadAt(layout.PlaintextOffset(index), plaintext).ok() ||
      AllZero(plaintext)) {
    return false;
  }
  const Entry want = reader.table().Get(index);
  Entry got = {.digest = {}, .tag = {}, .nonce_prefix = want.nonce_prefix};
  reader.keys().Seal(index, layout.IsLast(index), plaintext,
                     buffers.Second(size), got);
  return ConstantTimeEqual(got.tag, want.tag) && got.digest == want.digest;
}

}  // namespace

absl::StatusOr<Transferred> Encrypt(const std::string& input,
                                    const std::string& output,
                                    const Secret& data_key, const KeyName& key,
                                    const EncryptOptions& options) {
  KMS_ASSIGN_OR_RETURN(const File in, File::OpenToRead(input));
  const ChangeWatch watch(in);
  Header wanted;
  wanted.key = key;
  KMS_ASSIGN_OR_RETURN(wanted.size, in.Size());
  wanted.segment_log2 =
      options.segment_log2 != 0
          ? options.segment_log2
          : SegmentLog2For(std::min(wanted.size, kPlaintextSizeMax));
  KMS_RETURN_IF_ERROR(CheckHeader(wanted));
  if (options.begin) options.begin(wanted.size);
  KMS_ASSIGN_OR_RETURN(PartialFile out,
                       PartialFile::Open(output, options.overwrite));
  if (options.one_time_key) out.DoNotKeep();
  KMS_ASSIGN_OR_RETURN(Begun begun, BeginEncryption(out, wanted, data_key));
  const Layout layout(begun.header);
  // New for each run, so that a segment which an earlier one may have written
  // from other bytes is never encrypted twice under one nonce.
  Entry fresh;
  crypto::RandomBytes(absl::MakeSpan(fresh.nonce_prefix));
  std::atomic<uint64_t> kept = 0;
  const auto encrypt = [&](uint64_t index,
                           SegmentBuffers& buffers) -> absl::Status {
    const size_t size = layout.SizeOf(index);
    const absl::Span<uint8_t> plaintext = buffers.First(size);
    const absl::Span<uint8_t> ciphertext = buffers.Second(size);
    const absl::Status read =
        in.ReadAt(layout.PlaintextOffset(index), plaintext);
    if (absl::IsUnauthenticated(read)) return watch.Changed();
    KMS_RETURN_IF_ERROR(read);
    if (HasSegment(begun, layout, out.file(), index, plaintext, ciphertext)) {
      ++kept;
    } else {
      Entry entry = fresh;
      begun.keys.Seal(index, layout.IsLast(index), plaintext, ciphertext,
                      entry);
      KMS_RETURN_IF_ERROR(
          out.file().WriteAt(layout.FileOffset(index), ciphertext));
      begun.table.Set(index, entry);
      KMS_RETURN_IF_ERROR(
          out.file().WriteAt(layout.table_offset() + index * kEntrySize,
                             begun.table.EntryBytes(index)));
    }
    Report(options, size);
    return absl::OkStatus();
  };
  KMS_RETURN_IF_ERROR(out.Explain(ForEachSegment(
      layout.segments(), layout.segment_size(), options.threads, encrypt)));
  KMS_RETURN_IF_ERROR(watch.Check());
  KMS_RETURN_IF_ERROR(out.Explain(FinishEncryption(begun, layout, out.file())));
  KMS_RETURN_IF_ERROR(out.Finish(0644));
  Transferred done{.header = begun.header,
                   .artifact_digest = ArtifactDigest(begun.header),
                   .segments_kept = kept};
  if (options.before_commit) {
    KMS_RETURN_IF_ERROR(options.before_commit(done));
  }
  KMS_RETURN_IF_ERROR(out.Commit());
  return done;
}

absl::StatusOr<Transferred> Decrypt(const Reader& reader,
                                    const std::string& output,
                                    const TransferOptions& options) {
  const Layout& layout = reader.layout();
  KMS_ASSIGN_OR_RETURN(PartialFile out,
                       PartialFile::Open(output, options.overwrite));
  const bool resumed = out.resumed();
  KMS_RETURN_IF_ERROR(out.Reserve(layout.plaintext_size()));
  std::atomic<uint64_t> kept = 0;
  const auto decrypt = [&](uint64_t index,
                           SegmentBuffers& buffers) -> absl::Status {
    const size_t size = layout.SizeOf(index);
    if (resumed && HasPlaintext(reader, out.file(), index, buffers)) {
      ++kept;
    } else {
      const absl::Span<uint8_t> text = buffers.First(size);
      KMS_RETURN_IF_ERROR(reader.ReadSegment(index, text));
      KMS_RETURN_IF_ERROR(
          out.file().WriteAt(layout.PlaintextOffset(index), text));
    }
    Report(options, size);
    return absl::OkStatus();
  };
  const absl::Status status = ForEachSegment(
      layout.segments(), layout.segment_size(), options.threads, decrypt);
  if (absl::IsUnauthenticated(status)) out.Remove();
  KMS_RETURN_IF_ERROR(out.Explain(status));
  KMS_RETURN_IF_ERROR(out.Finish(0600));
  KMS_RETURN_IF_ERROR(out.Commit());
  return Transferred{.header = reader.header(),
                     .artifact_digest = reader.artifact_digest(),
                     .segments_kept = kept};
}

absl::Status VerifyDigests(const UnverifiedFile& file,
                           const TransferOptions& options) {
  const Layout& layout = file.layout();
  return ForEachSegment(
      layout.segments(), layout.segment_size(), options.threads,
      [&](uint64_t index, SegmentBuffers& buffers) -> absl::Status {
        const size_t size = layout.SizeOf(index);
        KMS_RETURN_IF_ERROR(
            file.ReadCheckedSegment(index, buffers.First(size)));
        Report(options, size);
        return absl::OkStatus();
      });
}

absl::Status Verify(const Reader& reader, const TransferOptions& options) {
  const Layout& layout = reader.layout();
  return ForEachSegment(
      layout.segments(), layout.segment_size(), options.threads,
      [&](uint64_t index, SegmentBuffers& buffers) -> absl::Status {
        const size_t size = layout.SizeOf(index);
        KMS_RETURN_IF_ERROR(
            reader.ReadCheckedSegment(index, buffers.First(size)));
        Report(options, size);
        return absl::OkStatus();
      });
}

}  // namespace kms::weights
