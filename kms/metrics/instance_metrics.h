// What an instance is and where it stands, read anew at each scrape.
//
// Gauges only: sealed, serving, positions, log time, the nearest end of each
// kind of collateral, kill switches. No names of keys or tenants.
// Thread-safe.
#ifndef KMS_METRICS_INSTANCE_METRICS_H_
#define KMS_METRICS_INSTANCE_METRICS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "kms/instance/instance.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "proto/kms/v1/seal.pb.h"

namespace kms::metrics {

struct InstanceSources {
  std::function<v1::Status()> status;
  std::function<uint32_t()> calls_in_flight;
  const InstanceHolder* holder = nullptr;  // Outlives the metrics.
};

class InstanceMetrics : public prometheus::Collectable {
 public:
  explicit InstanceMetrics(InstanceSources sources)
      : sources_(std::move(sources)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const InstanceSources sources_;
};

}  // namespace kms::metrics

#endif  // KMS_METRICS_INSTANCE_METRICS_H_
