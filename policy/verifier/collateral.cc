#include "policy/verifier/collateral.h"

#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"

namespace kms::policy {

Collateral::Collateral(std::vector<CollateralItem> items) {
  for (CollateralItem& item : items) {
    std::pair<std::string, std::string> key(item.role, item.subject);
    items_.insert_or_assign(std::move(key), std::move(item));
  }
  ByteWriter inputs;
  for (const auto& [key, item] : items_) {
    inputs.Field(item.role).Field(item.subject).Field(item.digest);
    by_role_[item.role].push_back(&item);
  }
  digest_ = crypto::Sha256(AsBytes(inputs.str()));
}

const CollateralItem* Collateral::Find(absl::string_view role,
                                       absl::string_view subject) const {
  const auto found =
      items_.find(std::make_pair(std::string(role), std::string(subject)));
  return found == items_.end() ? nullptr : &found->second;
}

absl::Span<const CollateralItem* const> Collateral::OfRole(
    absl::string_view role) const {
  const auto found = by_role_.find(std::string(role));
  if (found == by_role_.end()) return {};
  return found->second;
}

}  // namespace kms::policy
