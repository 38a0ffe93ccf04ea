// The whole verifier on whole bundles, as they come over the wire. Property:
// no crash, and nothing verifies, because the only trusted root signed none of
// what a fuzzer can make.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/evidence.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::policy::TrustAnchor;
  using kms::policy::TrustAnchors;
  kms::v1::EvidenceBundle bundle;
  if (!bundle.ParseFromArray(data, static_cast<int>(size))) return 0;
  static const auto* const anchors = new TrustAnchors(
      *TrustAnchors::Create({TrustAnchor{.name = "nobody",
                                         .type = kms::v1::SEV_SNP,
                                         .spki_sha256 = std::string(32, 0),
                                         .certificate = {},
                                         .simulated = false}}));
  const auto claims = kms::policy::VerifyBundle(
      bundle, {.now = absl::FromUnixSeconds(1800000000), .anchors = *anchors});
  if (claims.ok()) std::abort();
  return 0;
}
