#include "kms/metrics/call_metrics.h"

namespace kms::metrics {
namespace {

// From a challenge on an idle machine to a release at its deadline, in steps
// of about two.
const prometheus::Histogram::BucketBoundaries kBoundaries = {
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
    0.05,    0.1,    0.25,  0.5,    1,     2.5,  10};

}  // namespace

CallMetrics::CallMetrics(prometheus::Registry& registry)
    : calls_(prometheus::BuildCounter()
                 .Name("kms_calls_total")
                 .Help("Calls that have ended, by rpc and outcome.")
                 .Register(registry)),
      durations_(prometheus::BuildHistogram()
                     .Name("kms_call_duration_seconds")
                     .Help("Time from a call's admission to its answer.")
                     .Register(registry)) {}

void CallMetrics::Count(const std::string& rpc, const std::string& code,
                        absl::Duration took) {
  calls_.Add({{"rpc", rpc}, {"code", code}}).Increment();
  durations_.Add({{"rpc", rpc}}, kBoundaries)
      .Observe(absl::ToDoubleSeconds(took));
}

}  // namespace kms::metrics
