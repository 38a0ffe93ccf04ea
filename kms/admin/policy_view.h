// A stored version of a policy as administrators see it.
// Thread-safe: a free function.
#ifndef KMS_ADMIN_POLICY_VIEW_H_
#define KMS_ADMIN_POLICY_VIEW_H_

#include "absl/strings/string_view.h"
#include "proto/kms/v1/policies.pb.h"
#include "storage/state/state_view.h"

namespace kms::admin {

v1::Policy ToPolicy(absl::string_view name_space, absl::string_view name,
                    const storage::StateView::Policy& stored);

}  // namespace kms::admin

#endif  // KMS_ADMIN_POLICY_VIEW_H_
