// How often each rpc was called, how it ended, how long it took.
//
// Labels are names of rpcs and codes, never of keys, namespaces, peers or
// principals: a metrics server has many readers.
// Thread-safe.
#ifndef KMS_METRICS_CALL_METRICS_H_
#define KMS_METRICS_CALL_METRICS_H_

#include <string>

#include "absl/time/time.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace kms::metrics {

class CallMetrics {
 public:
  // `registry` outlives this.
  explicit CallMetrics(prometheus::Registry& registry);

  // One call has ended. `rpc`: "KeyService.CreateKey"; `code`: "OK" or the
  // refusal's name. Both are from fixed sets, so the series are bounded.
  void Count(const std::string& rpc, const std::string& code,
             absl::Duration took);

 private:
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Family<prometheus::Histogram>& durations_;
};

}  // namespace kms::metrics

#endif  // KMS_METRICS_CALL_METRICS_H_
