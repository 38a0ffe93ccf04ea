// GET /metrics on a port of its own, in Prometheus's text format, over plain
// HTTP: bind it to loopback or to a management network. It shows counts and
// positions, no names of keys or tenants, but who can read it can count.
//
// The HTTP server is the Prometheus client library's; it reads no body and no
// query. Thread-safe.
#ifndef KMS_METRICS_ENDPOINT_H_
#define KMS_METRICS_ENDPOINT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"
#include "prometheus/registry.h"

namespace kms::metrics {

class Endpoint {
 public:
  // `address`: "host:port"; port 0 takes a free one. kUnavailable: it cannot
  // be bound.
  static absl::StatusOr<std::unique_ptr<Endpoint>> Open(
      const std::string& address);

  // Where counters register themselves.
  prometheus::Registry& registry() { return *registry_; }

  // Shown from now on, while the endpoint lives.
  void Show(std::shared_ptr<prometheus::Collectable> collectable);

  // Answers nobody any more, and lets go of what was shown.
  void Close();

  // REQUIRES: not closed.
  int port() const { return exposer_->GetListeningPorts().front(); }

 private:
  Endpoint() = default;

  std::shared_ptr<prometheus::Registry> registry_;
  // The exposer itself only holds these weakly.
  std::vector<std::shared_ptr<prometheus::Collectable>> shown_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace kms::metrics

#endif  // KMS_METRICS_ENDPOINT_H_
