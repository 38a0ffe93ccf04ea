#include "kms/instance/instance.h"

#include <utility>

#include "kms/base/refusal.h"

namespace kms {

absl::StatusOr<std::shared_ptr<const Instance>> InstanceHolder::Get() const {
  absl::MutexLock lock(&mutex_);
  if (instance_ == nullptr) {
    return Refuse(v1::SEALED,
                  "instance: sealed; an operator must unseal it first");
  }
  return instance_;
}

void InstanceHolder::Set(std::shared_ptr<const Instance> instance) {
  {
    absl::MutexLock lock(&mutex_);
    std::swap(instance_, instance);
  }
  // The old instance, if this was its last holder, ends here: outside the lock.
}

}  // namespace kms
