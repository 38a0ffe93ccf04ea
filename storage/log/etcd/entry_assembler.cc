#include "storage/log/etcd/entry_assembler.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "storage/log/checks.h"
#include "storage/log/etcd/queries.h"

namespace kms::storage {
namespace {

absl::Status Disorder(absl::string_view what) {
  return absl::AbortedError(absl::StrCat("etcd watch: ", what));
}

}  // namespace

absl::Status EntryAssembler::CheckBatch(const mvccpb::KeyValue& kv) const {
  if (kv.version() != 1 || kv.create_revision() != kv.mod_revision()) {
    return EtcdDamaged(
        absl::StrCat("the entry after ", index_, " was put more than once"));
  }
  if (kv.mod_revision() <= revision_) return Disorder("an older revision");
  if (!::kms::storage::CheckBatch(AsBytes(kv.value())).ok()) {
    return EtcdDamaged(
        absl::StrCat("the entry after ", index_, " is empty or too large"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<AssembledEntry>> EntryAssembler::Take(
    mvccpb::Event event) {
  if (event.type() != mvccpb::Event::PUT) {
    return std::optional<AssembledEntry>();
  }
  mvccpb::KeyValue& kv = *event.mutable_kv();
  if (kv.key() == keys_.Tail()) {
    if (!id_.has_value() || kv.mod_revision() != batch_.mod_revision() ||
        kv.version() <= 0 ||
        static_cast<uint64_t>(kv.version()) != index_ + 1) {
      return Disorder(absl::StrCat("index ", kv.version(), " after ", index_));
    }
    ++index_;
    revision_ = kv.mod_revision();
    AssembledEntry assembled{
        *std::exchange(id_, std::nullopt),
        {{keys_.epoch(), index_}, std::move(*batch_.mutable_value())}};
    return std::optional<AssembledEntry>(std::move(assembled));
  }
  const std::optional<BatchId> id = keys_.ParseBatch(kv.key());
  if (!id.has_value()) return std::optional<AssembledEntry>();
  if (id_.has_value()) return Disorder("a batch without an index");
  KMS_RETURN_IF_ERROR(CheckBatch(kv));
  id_ = id;
  batch_ = std::move(kv);
  return std::optional<AssembledEntry>();
}

absl::StatusOr<AssembledEntry> EntryAssembler::TakeListed(const BatchId& id,
                                                          mvccpb::KeyValue kv) {
  KMS_RETURN_IF_ERROR(CheckBatch(kv));
  ++index_;
  revision_ = kv.mod_revision();
  return AssembledEntry{
      id, {{keys_.epoch(), index_}, std::move(*kv.mutable_value())}};
}

}  // namespace kms::storage
