// What every administrators' call begins with: an unsealed instance, a caller
// who is an administrator and, for a change, a command that says who and when.
// Thread-safe: free functions.
#ifndef KMS_INSTANCE_ADMIN_CALL_H_
#define KMS_INSTANCE_ADMIN_CALL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/caller.h"
#include "kms/instance/instance.h"
#include "proto/storage/v1/command.pb.h"

namespace kms {

// The instance to work with. The server has checked the caller's certificate
// already; a handler that is ever wired up without that check still refuses.
// SEALED: there is none. ADMINISTRATOR_REQUIRED: `caller` is not one, or has
// no name to record.
absl::StatusOr<std::shared_ptr<const Instance>> BeginAdminCall(
    const InstanceHolder& holder, const Caller& caller);

// A command by `caller` in `name_space`, with a fresh salt for its leaf and
// the instance's clock; its op is still to be set.
::storage::v1::Command NewCommand(const Instance& instance,
                                  const Caller& caller,
                                  absl::string_view name_space);

}  // namespace kms

#endif  // KMS_INSTANCE_ADMIN_CALL_H_
