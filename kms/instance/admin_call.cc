#include "kms/instance/admin_call.h"

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"

namespace kms {
namespace {

constexpr size_t kSaltSize = 16;  // storage.v1.Command.salt.

}  // namespace

absl::StatusOr<std::shared_ptr<const Instance>> BeginAdminCall(
    const InstanceHolder& holder, const Caller& caller) {
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const Instance> instance, holder.Get());
  if (!caller.administrator || caller.principal.empty()) {
    return Refuse(v1::ADMINISTRATOR_REQUIRED,
                  "caller: not an administrator, want an administrator's "
                  "client certificate");
  }
  return instance;
}

::storage::v1::Command NewCommand(const Instance& instance,
                                  const Caller& caller,
                                  absl::string_view name_space) {
  ::storage::v1::Command command;
  command.set_salt(crypto::RandomString(kSaltSize));
  command.set_principal(caller.principal);
  command.set_namespace_(std::string(name_space));
  command.set_proposed_at_us(absl::ToUnixMicros(instance.clock.Now()));
  return command;
}

absl::StatusOr<storage::Applied> Propose(
    const Instance& instance, const ::storage::v1::Command& command) {
  absl::StatusOr<storage::Applied> applied = instance.replica->Propose(
      command, instance.clock.Now() + kProposeTimeout);
  if (absl::IsDeadlineExceeded(applied.status())) {
    return Refuse(v1::LOG_UNAVAILABLE,
                  "log: no answer in time; the change may still be made, look "
                  "before repeating it");
  }
  if (applied.ok()) KMS_RETURN_IF_ERROR(applied->effect.status());
  return applied;
}

}  // namespace kms
