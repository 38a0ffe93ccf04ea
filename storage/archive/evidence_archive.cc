#include "storage/archive/evidence_archive.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::storage {
namespace {

constexpr size_t kDigestBytes = 32;
constexpr size_t kExpiresBytes = 8;

std::string EvidenceKey(BytesView digest) {
  return absl::StrCat("e", AsStringView(digest));
}

std::string ExpiryKey(uint64_t expires_us, BytesView digest) {
  return ByteWriter().Bytes("x").U64Be(expires_us).Bytes(digest).Take();
}

std::string Aad(BytesView digest) {
  return RowAad("", "evidence", AsStringView(digest));
}

}  // namespace

absl::Status EvidenceArchive::health() const {
  if (engine_ == nullptr) {
    return absl::UnavailableError("evidence archive: could not be opened");
  }
  // Writes nothing, but asks the engine whether it still would.
  return engine_->Write(WriteBatch(), Sync::kNo);
}

absl::Status EvidenceArchive::Put(BytesView digest, BytesView evidence,
                                  absl::Time now) {
  if (digest.size() != kDigestBytes) {
    return absl::InvalidArgumentError("evidence archive: digest not 32 bytes");
  }
  KMS_RETURN_IF_ERROR(health());
  KMS_ASSIGN_OR_RETURN(const uint64_t free, engine_->FreeBytes());
  if (free < kArchiveFreeBytesMin) {
    return Refuse(v1::LIMIT_REACHED,
                  "evidence archive: its disk is almost full");
  }
  const uint64_t expires_us =
      static_cast<uint64_t>(absl::ToUnixMicros(now + retention_));
  KMS_ASSIGN_OR_RETURN(
      const std::string sealed,
      envelope_->Seal(
          KeyKind::kStorage,
          AsBytes(ByteWriter().U64Be(expires_us).Bytes(evidence).str()),
          AsBytes(Aad(digest))));
  WriteBatch batch;
  batch.Put(EvidenceKey(digest), sealed);
  batch.Put(ExpiryKey(expires_us, digest), absl::string_view("\0", 1));
  return engine_->Write(batch, Sync::kNo);
}

absl::StatusOr<std::string> EvidenceArchive::Get(BytesView digest) const {
  KMS_RETURN_IF_ERROR(health());
  KMS_ASSIGN_OR_RETURN(const std::optional<std::string> sealed,
                       engine_->Get(EvidenceKey(digest)));
  if (!sealed.has_value()) {
    return absl::NotFoundError("evidence archive: no such digest here");
  }
  KMS_ASSIGN_OR_RETURN(std::string row,
                       envelope_->Open(KeyKind::kStorage, AsBytes(*sealed),
                                       AsBytes(Aad(digest))));
  return row.substr(kExpiresBytes);
}

absl::StatusOr<size_t> EvidenceArchive::Prune(absl::Time now, size_t limit) {
  KMS_RETURN_IF_ERROR(health());
  const std::string end =
      ExpiryKey(static_cast<uint64_t>(absl::ToUnixMicros(now)), {});
  std::vector<std::string> expired;
  KMS_RETURN_IF_ERROR(engine_->Scan(
      "x", "", limit, [&](absl::string_view key, absl::string_view) {
        if (key >= absl::string_view(end)) return false;
        expired.emplace_back(key);
        return true;
      }));
  WriteBatch batch;
  for (const std::string& key : expired) {
    ByteReader reader(AsBytes(key));
    reader.U8();
    const uint64_t expires_us = reader.U64Be();
    const BytesView digest = reader.Bytes(kDigestBytes);
    batch.Delete(key);
    KMS_RETURN_IF_ERROR(reader.Finish("evidence archive: expiry row"));
    // The same Evidence shown again later expires later: its row stays.
    KMS_ASSIGN_OR_RETURN(const std::optional<std::string> sealed,
                         engine_->Get(EvidenceKey(digest)));
    if (!sealed.has_value()) continue;
    const absl::StatusOr<std::string> row = envelope_->Open(
        KeyKind::kStorage, AsBytes(*sealed), AsBytes(Aad(digest)));
    // Evidence that no longer opens is of no use to anybody, and one damaged
    // row must not keep all that expired after it.
    if (!row.ok() && !absl::IsDataLoss(row.status())) return row.status();
    if (!row.ok() || ByteReader(AsBytes(*row)).U64Be() <= expires_us) {
      batch.Delete(EvidenceKey(digest));
    }
  }
  if (!batch.empty()) {
    KMS_RETURN_IF_ERROR(engine_->Write(batch, Sync::kNo));
  }
  return expired.size();
}

}  // namespace kms::storage
