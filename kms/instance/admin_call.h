// What every administrators' call begins with: an unsealed instance, a caller
// who is an administrator and, for a change, a command that says who and when.
// Thread-safe: free functions.
#ifndef KMS_INSTANCE_ADMIN_CALL_H_
#define KMS_INSTANCE_ADMIN_CALL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/instance/instance.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/replica/replica.h"

namespace kms {

// The instance to work with. The server has checked the caller's certificate
// already; a handler that is ever wired up without that check still refuses.
// SEALED: there is none. ADMINISTRATOR_REQUIRED: `caller` is not one, or has
// no name to record.
absl::StatusOr<std::shared_ptr<const Instance>> BeginAdminCall(
    const InstanceHolder& holder, const Caller& caller);

// Between a proposal and its answer. Longer than a change of etcd's leader, so
// that an administrator does not see one; shorter than his patience.
inline constexpr absl::Duration kProposeTimeout = absl::Seconds(10);

// A command by `caller` in `name_space`, with a fresh salt for its leaf and
// the instance's clock; its op is still to be set.
::storage::v1::Command NewCommand(const Instance& instance,
                                  const Caller& caller,
                                  absl::string_view name_space);

// Orders `command` and returns what became of it, which is done: a refusal by
// the state's rules is the returned status.
// LOG_UNAVAILABLE: it was not ordered, or nobody knows; the message says which.
// Others: as storage::Replica::Propose.
absl::StatusOr<storage::Applied> Propose(const Instance& instance,
                                         const ::storage::v1::Command& command);

}  // namespace kms

#endif  // KMS_INSTANCE_ADMIN_CALL_H_
