#include "kms/server/heartbeat.h"

#include <memory>
#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/server/limits.h"
#include "storage/replica/replica.h"
#include "storage/state/state_view.h"

namespace kms::server {

Heartbeat::Heartbeat(HeartbeatOptions options) : options_(std::move(options)) {}

void Heartbeat::Start(std::function<void(bool serving)> show) {
  {
    absl::MutexLock lock(&mutex_);
    show_ = std::move(show);
  }
  ShowHealth();
  thread_ = std::thread(&Heartbeat::Run, this);
}

void Heartbeat::ShowHealth() {
  const bool serving = options_.status->Serving();
  absl::MutexLock lock(&mutex_);
  if (show_ != nullptr) show_(serving && !draining_);
}

void Heartbeat::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  if (show_ != nullptr) show_(false);
}

void Heartbeat::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    show_ = nullptr;
  }
  if (thread_.joinable()) thread_.join();
}

void Heartbeat::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kTickInterval)) {
        return;
      }
    }
    Beat();
  }
}

void Heartbeat::Beat() {
  // Held for one beat only: a seal waits for nobody longer than that.
  if (const auto instance = options_.holder->Get(); instance.ok()) {
    LogChange((*instance)->replica->Tick());
    const absl::Time now = options_.clock->Now();
    if (now >= next_checkpoint_) {
      next_checkpoint_ = now + kCheckpointInterval;
      KeepCheckpoint(**instance);
    }
    if (now >= next_minute_) {
      next_minute_ = now + absl::Minutes(1);
      if (options_.each_minute != nullptr) {
        const absl::Status done = options_.each_minute(now + kDeadlineDefault);
        if (!done.ok()) {
          options_.log->Write(LogLevel::kWarning, "minute",
                              {{"fault", std::string(done.message())}});
        }
      }
    }
  }
  ShowHealth();
}

void Heartbeat::KeepCheckpoint(const Instance& instance) {
  const auto view = instance.replica->View();
  const auto checkpoint = options_.checkpoints->Sign(
      instance, {view->position().epoch, view->tree_size(), view->tree_root()});
  const absl::Status kept =
      checkpoint.ok() ? options_.unsealer->KeepCheckpoint((*checkpoint)->note())
                      : checkpoint.status();
  if (!kept.ok()) {
    options_.log->Write(LogLevel::kError, "checkpoint",
                        {{"fault", std::string(kept.message())}});
  }
}

void Heartbeat::LogChange(const absl::Status& health) {
  if (health.code() == last_health_) return;
  last_health_ = health.code();
  options_.log->Write(health.ok() ? LogLevel::kInfo : LogLevel::kError,
                      "health",
                      {{"code", absl::StatusCodeToString(health.code())},
                       {"fault", std::string(health.message())}});
}

}  // namespace kms::server
