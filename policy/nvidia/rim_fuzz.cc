// Property: no crash; what parses has values to compare with; and nothing
// verifies, because no input was signed by NVIDIA.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/time/time.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/anchors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const kAnchors = new kms::policy::TrustAnchors(
      *kms::policy::TrustAnchors::Create(kms::policy::TrustAnchors::BuiltIn()));
  const kms::BytesView input(data, size);
  const auto rim = kms::nvidia::ParseUnverifiedRim(input);
  if (rim.ok() && (rim->measurements.empty() || rim->version.empty())) {
    std::abort();
  }
  if (kms::nvidia::ParseAndVerifyRim(input, *kAnchors, absl::UnixEpoch())
          .ok()) {
    std::abort();
  }
  return 0;
}
