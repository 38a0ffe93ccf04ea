#include "kms/metrics/instance_metrics.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "storage/replica/replica.h"
#include "storage/state/state_view.h"

namespace kms::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

class Gauges {
 public:
  void Add(const char* name, const char* help, double value,
           std::vector<ClientMetric::Label> labels = {}) {
    const bool more = !families_.empty() && families_.back().name == name;
    if (!more) {
      families_.push_back({name, help, prometheus::MetricType::Gauge, {}});
    }
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void Add(const char* name, const char* help, uint64_t value) {
    Add(name, help, static_cast<double>(value));
  }
  std::vector<MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double Seconds(int64_t microseconds) {
  return static_cast<double>(microseconds) / 1e6;
}

void AddStatus(const v1::Status& status, Gauges& gauges) {
  gauges.Add("kms_build_info", "1; the label says which version runs.", 1.0,
             {{"version", status.version()}});
  gauges.Add("kms_initialized", "1 if the instance belongs to a cluster.",
             uint64_t{status.seal().initialized()});
  gauges.Add("kms_sealed", "1 while the root key is not in memory.",
             uint64_t{status.seal().sealed()});
  gauges.Add("kms_serving", "1 while keys can be released.",
             uint64_t{status.serving()});
  gauges.Add("kms_warnings", "Loud facts of the configuration; see status.",
             static_cast<uint64_t>(status.warnings_size()));
  if (status.epoch() == 0) return;  // Sealed: nothing more is known.
  gauges.Add("kms_log_epoch", "Epoch of the last applied entry.",
             status.epoch());
  gauges.Add("kms_log_index", "Index of the last applied entry.",
             status.index());
  gauges.Add("kms_log_time_seconds", "Log time, seconds since 1970.",
             Seconds(status.log_time_us()));
  gauges.Add("kms_audit_leaves", "Leaves of the audit log.",
             status.tree_size());
  gauges.Add("kms_appraisal_generation",
             "Moves with every change of what appraisal reads.",
             status.appraisal_generation());
  gauges.Add("kms_feature_level", "What the cluster's instances all speak.",
             uint64_t{status.feature_level()});
}

// A scrape that cannot read the state shows no collateral; that the instance
// does not serve then, shows too.
void AddCollateral(const storage::StateView& view, Gauges& gauges) {
  struct Kept {
    uint64_t items = 0;
    int64_t ends_us = 0;  // The nearest; 0: none says.
  };
  std::map<std::string, Kept> kept;
  const auto listed = view.ListCollateral();
  if (!listed.ok()) return;
  for (const auto& item : *listed) {
    Kept& of_role = kept[item.role()];
    ++of_role.items;
    if (item.next_update_us() == 0) continue;
    of_role.ends_us = of_role.ends_us == 0
                          ? item.next_update_us()
                          : std::min(of_role.ends_us, item.next_update_us());
  }
  for (const auto& [role, of_role] : kept) {
    gauges.Add("kms_collateral_items", "Collateral that is kept, by role.",
               static_cast<double>(of_role.items), {{"role", role}});
  }
  for (const auto& [role, of_role] : kept) {
    if (of_role.ends_us == 0) continue;
    gauges.Add("kms_collateral_next_update_seconds",
               "When the first item of a role ends, seconds since 1970.",
               Seconds(of_role.ends_us), {{"role", role}});
  }
}

}  // namespace

std::vector<MetricFamily> InstanceMetrics::Collect() const {
  Gauges gauges;
  AddStatus(sources_.status(), gauges);
  gauges.Add("kms_calls_in_flight", "Calls that are being worked on.",
             uint64_t{sources_.calls_in_flight()});
  const auto instance = sources_.holder->Get();
  if (instance.ok()) AddCollateral(*(*instance)->replica->View(), gauges);
  return gauges.Take();
}

}  // namespace kms::metrics
