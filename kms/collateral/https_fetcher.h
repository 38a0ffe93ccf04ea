// Fetches from the one HTTPS folder that the operator configured.
//
// TLS 1.2 or later to a certificate that the given CA issued for that host; no
// other scheme, no redirects, no proxy from the environment, no cookies, no
// credentials, no compression; bounded in time and size. The URL comes from
// the configuration and from no Evidence or certificate.
// Source: libcurl 7.88, easy interface.
// Thread-safe: every fetch has its own handle.
#ifndef KMS_COLLATERAL_HTTPS_FETCHER_H_
#define KMS_COLLATERAL_HTTPS_FETCHER_H_

#include <atomic>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/collateral/fetcher.h"

namespace kms::collateral {

struct HttpsFetcherOptions {
  std::string url;      // "https://host[:port]/folder/".
  std::string ca_file;  // PEM.
  absl::Duration connect_timeout = absl::Seconds(5);
  absl::Duration total_timeout = absl::Seconds(30);
};

class HttpsFetcher : public Fetcher {
 public:
  explicit HttpsFetcher(HttpsFetcherOptions options);

  absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request) override;

  // Ends what is in progress within about a second, and refuses the rest
  // (kUnavailable): for who must stop.
  void Stop() { stopped_ = true; }

 private:
  const HttpsFetcherOptions options_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_HTTPS_FETCHER_H_
