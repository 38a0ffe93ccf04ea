// The thread that asks the configured mirror for newer collateral, while the
// instance is unsealed. Without a mirror in the configuration there is none,
// and nothing is ever fetched.
// Thread-safe, except Start and Stop: one owner.
#ifndef KMS_SERVER_COLLATERAL_FETCH_H_
#define KMS_SERVER_COLLATERAL_FETCH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/clock.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/collateral/https_fetcher.h"
#include "kms/collateral/mirror.h"
#include "kms/instance/instance.h"
#include "kms/server/config.h"
#include "kms/server/event_log.h"

namespace kms::server {

class CollateralFetch {
 public:
  // All outlive it.
  CollateralFetch(const CollateralMirror& config, const InstanceHolder& holder,
                  const Clock& clock, const EventLog& log,
                  std::shared_ptr<collateral::AppraisalInputsCache> inputs);
  ~CollateralFetch() { Stop(); }

  void Start();
  // Ends the thread, within about a second. Idempotent.
  void Stop();

 private:
  void Run();
  absl::StatusOr<uint32_t> Import(policy::CollateralKind kind,
                                  const std::vector<std::string>& files);
  void Tell(absl::string_view subject, const absl::Status& status) const;

  const InstanceHolder& holder_;
  const Clock& clock_;
  const EventLog& log_;
  const std::shared_ptr<collateral::AppraisalInputsCache> inputs_;
  collateral::HttpsFetcher fetcher_;
  collateral::Mirror mirror_;
  std::thread thread_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace kms::server

#endif  // KMS_SERVER_COLLATERAL_FETCH_H_
