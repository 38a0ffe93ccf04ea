// Where the mirror's files come from. An interface, so that what the mirror
// does (mirror.h) is tested without a network.
#ifndef KMS_COLLATERAL_FETCHER_H_
#define KMS_COLLATERAL_FETCHER_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace kms::collateral {

struct FetchRequest {
  std::string path;  // Relative to the configured folder; ValidMirrorPath.
  std::string etag;  // Of what the caller has; empty: nothing.
  size_t bytes_max = 0;
};

struct FetchResponse {
  bool not_modified = false;  // What the caller has still stands; no body.
  std::string body;           // At most bytes_max.
  std::string etag;           // Empty: the server gave none.
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;

  // Blocks, for a bounded time. kUnavailable: no answer in time, or one that
  // is not to be believed. kNotFound: the server has no such file.
  // kResourceExhausted: over bytes_max. REQUIRES: ValidMirrorPath(path).
  virtual absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request) = 0;
};

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_FETCHER_H_
