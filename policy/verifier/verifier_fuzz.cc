// The whole verifier on whole bundles, as they come over the wire. Property:
// no crash, and nothing verifies, because the only trusted root signed none of
// what a fuzzer can make.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/evidence.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::policy::TrustAnchor;
  using kms::policy::TrustAnchors;
  kms::v1::EvidenceBundle bundle;
  if (!bundle.ParseFromArray(data, static_cast<int>(size))) return 0;
  static const auto* const anchors = [] {
    std::vector<TrustAnchor> nobody;
    for (int type = 1; type < kms::v1::EvidenceType_ARRAYSIZE; ++type) {
      TrustAnchor anchor;
      anchor.name = "nobody";
      anchor.type = static_cast<kms::v1::EvidenceType>(type);
      anchor.spki_sha256 = std::string(32, '\0');
      nobody.push_back(std::move(anchor));
    }
    return new TrustAnchors(*TrustAnchors::Create(std::move(nobody)));
  }();
  const auto claims = kms::policy::VerifyBundle(
      bundle, {.now = absl::FromUnixSeconds(1800000000), .anchors = *anchors});
  if (claims.ok()) std::abort();
  return 0;
}
