#include "kms/metrics/endpoint.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kms::metrics {
namespace {

// A scrape is one small request: who sends it slower than this is no scraper.
constexpr char kRequestTimeoutMs[] = "5000";
constexpr char kThreads[] = "2";

}  // namespace

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Open(
    const std::string& address) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint);
  endpoint->registry_ = std::make_shared<prometheus::Registry>();
  try {
    endpoint->exposer_ =
        std::make_unique<prometheus::Exposer>(std::vector<std::string>{
            "listening_ports", address, "num_threads", kThreads,
            "request_timeout_ms", kRequestTimeoutMs});
  } catch (const std::exception&) {
    return absl::UnavailableError(
        absl::StrCat("metrics: cannot listen on ", address));
  }
  endpoint->exposer_->RegisterCollectable(endpoint->registry_);
  return endpoint;
}

void Endpoint::Show(std::shared_ptr<prometheus::Collectable> collectable) {
  exposer_->RegisterCollectable(collectable);
  shown_.push_back(std::move(collectable));
}

void Endpoint::Close() {
  exposer_.reset();
  shown_.clear();
}

}  // namespace kms::metrics
