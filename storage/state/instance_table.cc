#include "storage/state/instance_table.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "kms/base/status.h"
#include "storage/state/limits.h"

namespace kms::storage {

absl::StatusOr<InstanceTable> InstanceTable::Load(const RowReader& rows) {
  InstanceTable table;
  KMS_RETURN_IF_ERROR(
      rows.Scan(FamilyPrefix(Family::kInstance), {}, EngineReader::kNoLimit,
                [&](const RowKey& key, std::string value) -> absl::Status {
                  ::storage::v1::InstanceRecord record;
                  if (!record.ParseFromString(value)) {
                    return RowLoss(Family::kInstance, "does not parse");
                  }
                  auto public_key =
                      crypto::PublicKey::Ed25519(AsBytes(record.public_key()));
                  if (!public_key.ok()) {
                    return RowLoss(Family::kInstance, "has no public key");
                  }
                  table.instances_.emplace(
                      std::string(key.id()),
                      Instance{std::move(record), *std::move(public_key)});
                  return absl::OkStatus();
                }));
  return table;
}

InstanceTable::Instance* InstanceTable::Find(absl::string_view id) {
  const auto found = instances_.find(std::string(id));
  return found == instances_.end() ? nullptr : &found->second;
}

absl::Status InstanceTable::Add(const ::storage::v1::InstanceRecord& record,
                                RowBatch& rows) {
  KMS_ASSIGN_OR_RETURN(
      crypto::PublicKey key,
      crypto::PublicKey::Ed25519(AsBytes(record.public_key())));
  const auto [added, fresh] = instances_.emplace(
      record.instance_id(), Instance{record, std::move(key)});
  return Store(added->second, rows);
}

absl::Status InstanceTable::Store(const Instance& instance, RowBatch& rows) {
  return rows.PutRecord(InstanceRow(instance.record.instance_id()),
                        instance.record);
}

absl::Status InstanceTable::RemoveAllBut(absl::string_view id, RowBatch& rows) {
  for (auto& [other, instance] : instances_) {
    if (other == id || instance.record.removed()) continue;
    instance.record.set_removed(true);
    KMS_RETURN_IF_ERROR(Store(instance, rows));
  }
  return absl::OkStatus();
}

InstanceTable::Clocks InstanceTable::clocks() const {
  std::vector<int64_t> stated;
  for (const auto& [id, instance] : instances_) {
    const auto& record = instance.record;
    if (record.removed() || record.fenced() || record.clock_us() == 0) continue;
    stated.push_back(record.clock_us());
  }
  if (stated.empty()) return {};
  const auto median = stated.begin() + (std::ssize(stated) - 1) / 2;
  std::nth_element(stated.begin(), median, stated.end());
  return {*median, stated.size()};
}

size_t InstanceTable::active() const {
  size_t active = 0;
  for (const auto& [id, instance] : instances_) {
    if (!instance.record.removed()) ++active;
  }
  return active;
}

const InstanceTable::Instance* InstanceTable::FindByKey(
    absl::string_view public_key) const {
  for (const auto& [id, instance] : instances_) {
    if (instance.record.public_key() == public_key) return &instance;
  }
  return nullptr;
}

uint32_t InstanceTable::common_level() const {
  uint32_t level = std::numeric_limits<uint32_t>::max();
  for (const auto& [id, instance] : instances_) {
    if (instance.record.removed()) continue;
    level = std::min(level, instance.record.feature_level_max());
  }
  return level;
}

}  // namespace kms::storage
