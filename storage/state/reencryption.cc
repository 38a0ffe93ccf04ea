#include "storage/state/reencryption.h"

#include <optional>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/state/row_store.h"

namespace kms::storage {

uint32_t Reencryption::Primary() const {
  return envelope_.keyring()->primary(KeyKind::kStorage);
}

bool Reencryption::wanted() const { return done_ < Primary(); }

absl::Status Reencryption::Step(size_t rows) {
  const uint32_t primary = Primary();
  if (pass_ != primary) {  // Rotated meanwhile, or the first step.
    pass_ = primary;
    after_.clear();
  }
  std::vector<std::string> old;
  size_t seen = 0;
  absl::Status status;
  KMS_RETURN_IF_ERROR(engine_.Scan(
      {}, after_, rows, [&](absl::string_view key, absl::string_view stored) {
        const auto version = EnvelopeKeyVersion(AsBytes(stored));
        status = version.status();
        if (!status.ok()) return false;
        if (*version < primary) old.emplace_back(key);
        after_ = std::string(key);
        ++seen;
        return true;
      }));
  KMS_RETURN_IF_ERROR(status);

  WriteBatch writes;
  const RowReader reader(engine_, envelope_);
  for (const std::string& bytes : old) {
    const auto key = ParseRowKey(bytes);
    if (!key.ok()) return Refuse(v1::DATA_LOSS, "state: a row of no family");
    KMS_ASSIGN_OR_RETURN(const std::optional<std::string> value,
                         reader.Get(*key));
    if (!value.has_value()) return RowLoss(key->family(), "is missing");
    KMS_ASSIGN_OR_RETURN(const std::string sealed,
                         SealRow(envelope_, *key, *value));
    writes.Put(bytes, sealed);
  }
  if (!writes.empty()) {
    KMS_RETURN_IF_ERROR(engine_.Write(writes, Sync::kNo));
  }
  if (seen < rows) {
    done_ = pass_;
    pass_ = 0;
  }
  return absl::OkStatus();
}

}  // namespace kms::storage
