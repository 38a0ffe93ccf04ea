#include "kms/admin/policy_view.h"

#include <string>

#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"

namespace kms::admin {

v1::Policy ToPolicy(absl::string_view name_space, absl::string_view name,
                    const storage::StateView::Policy& stored) {
  v1::Policy policy;
  policy.set_namespace_(std::string(name_space));
  policy.set_name(std::string(name));
  policy.set_version(stored.version);
  policy.set_document(stored.record.source());
  policy.set_digest(crypto::Sha256(AsBytes(stored.record.source())));
  policy.set_created_us(stored.record.created_us());
  policy.set_principal(stored.record.principal());
  policy.set_state(static_cast<v1::PolicyState>(stored.state));
  policy.set_replaced_version(stored.record.replaced_version());
  policy.set_state_changed_us(stored.record.state_changed_us());
  policy.set_state_principal(stored.record.state_principal());
  policy.set_active_version(stored.active_version);
  policy.set_shadow_version(stored.shadow_version);
  return policy;
}

}  // namespace kms::admin
