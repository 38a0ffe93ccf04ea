#include "kms/server/auto_unseal.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/server/limits.h"

namespace kms::server {

void AutoUnseal::Start(std::function<void()> changed) {
  const seal::SealState state = unsealer_.state();
  if (!state.initialized || !state.sealed ||
      state.kind == seal::SealKind::kShamir) {
    return;
  }
  thread_ = std::thread([this, changed = std::move(changed)] { Run(changed); });
}

void AutoUnseal::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void AutoUnseal::Run(const std::function<void()>& changed) {
  absl::Duration wait = kUnsealRetryMin;
  while (true) {
    const absl::Status unsealed = unsealer_.Unseal("", "");
    if (RefusalOf(unsealed) == v1::NOT_SEALED) return;  // Somebody else did.
    if (unsealed.ok()) {
      log_.Write(LogLevel::kInfo, "unsealed", {{"by", "device"}});
      changed();
      return;
    }
    const bool again = absl::IsUnavailable(unsealed);
    log_.Write(LogLevel::kError, "unseal",
               {{"code", RefusalName(RefusalOf(unsealed))},
                {"fault", std::string(unsealed.message())},
                {"again", again ? "yes" : "no"}});
    if (!again) return;
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wait)) return;
    wait = std::min(2 * wait, kUnsealRetryMax);
  }
}

}  // namespace kms::server
