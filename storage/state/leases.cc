#include "storage/state/leases.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kms::storage {

absl::StatusOr<Leases> Leases::Read(ApplyContext& context,
                                    absl::string_view key_id,
                                    absl::string_view policy) {
  Leases leases(
      context.names.Leases(context.command->namespace_(), key_id, policy));
  KMS_ASSIGN_OR_RETURN(
      const auto stored,
      context.rows.GetRecord<::storage::v1::LeasesRecord>(leases.row_));
  if (stored.has_value()) {
    for (const auto& lease : stored->leases()) {
      if (lease.until_us() > context.log_time_us()) {
        *leases.outstanding_.add_leases() = lease;
      }
    }
  }
  return leases;
}

Effect Leases::CheckRoom(uint32_t most,
                         std::optional<uint64_t> repeat_of) const {
  const auto& held = outstanding_.leases();
  const bool has_room =
      held.size() < static_cast<int>(most) ||
      std::any_of(held.begin(), held.end(),
                  [&](const auto& lease) { return lease.leaf() == repeat_of; });
  if (has_room) return Effect();
  return Refused(v1::CONCURRENCY_EXHAUSTED,
                 absl::StrCat("lease: ", most, " are outstanding"));
}

absl::Status Leases::Hold(ApplyContext& context, uint64_t leaf,
                          int64_t until_us) {
  auto& held = *outstanding_.mutable_leases();
  auto own = std::find_if(held.begin(), held.end(), [leaf](const auto& lease) {
    return lease.leaf() == leaf;
  });
  if (own == held.end()) {
    held.Add()->set_leaf(leaf);
    own = held.end() - 1;
  }
  own->set_until_us(std::max(own->until_us(), until_us));
  return context.rows.PutRecord(row_, outstanding_);
}

}  // namespace kms::storage
