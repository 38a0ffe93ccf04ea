#include "kms/server/collateral_fetch.h"

#include <memory>
#include <utility>

#include "kms/base/caller.h"
#include "kms/base/status.h"
#include "kms/collateral/importer.h"
#include "kms/crypto/random.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

// In [0, 1), so that instances that were started together drift apart.
double Random() {
  uint8_t bytes[2];
  crypto::RandomBytes(bytes);
  return static_cast<double>(bytes[0] * 256 + bytes[1]) / 65536.0;
}

}  // namespace

CollateralFetch::CollateralFetch(
    const CollateralMirror& config, const InstanceHolder& holder,
    const Clock& clock, const EventLog& log,
    std::shared_ptr<collateral::AppraisalInputsCache> inputs)
    : holder_(holder),
      clock_(clock),
      log_(log),
      inputs_(std::move(inputs)),
      fetcher_({.url = config.url, .ca_file = config.ca_file}),
      mirror_(
          {.fetcher = &fetcher_,
           .clock = &clock,
           .import =
               [this](policy::CollateralKind kind,
                      const std::vector<std::string>& files) {
                 return Import(kind, files);
               },
           .tell = [this](
                       absl::string_view subject,
                       const absl::Status& status) { Tell(subject, status); },
           .random = Random,
           .interval = config.interval}) {}

void CollateralFetch::Start() {
  thread_ = std::thread(&CollateralFetch::Run, this);
}

void CollateralFetch::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  fetcher_.Stop();
  if (thread_.joinable()) thread_.join();
}

void CollateralFetch::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kTickInterval)) {
        return;
      }
    }
    // A sealed instance has nothing to fetch for.
    if (holder_.Get().ok() && clock_.Now() >= mirror_.NextDue()) mirror_.Poll();
  }
}

absl::StatusOr<uint32_t> CollateralFetch::Import(
    policy::CollateralKind kind, const std::vector<std::string>& files) {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       holder_.Get());
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(*instance, *instance->replica->View()));
  // No principal: nobody asked for it but the configuration.
  KMS_ASSIGN_OR_RETURN(
      const collateral::Imported imported,
      collateral::Import(*instance, *inputs, Caller(), kind, files));
  return static_cast<uint32_t>(imported.items.size()) - imported.unchanged;
}

void CollateralFetch::Tell(absl::string_view subject,
                           const absl::Status& status) const {
  log_.Write(status.ok() ? LogLevel::kInfo : LogLevel::kWarning,
             "collateral mirror",
             {{"subject", std::string(subject)},
              {"code", absl::StatusCodeToString(status.code())},
              {"fault", std::string(status.message())}});
}

}  // namespace kms::server
