// Whether a verified report has the measurements that verified manifests want.
// Source: NVIDIA attestation SDK: which manifest is for which device, that a
// manifest's index i is SPDM's i+1, and that SPDM's index 36 means nothing
// while the video decoder NVDEC0 is off.
// Thread-safe: free functions over values.
#ifndef POLICY_NVIDIA_COMPARE_H_
#define POLICY_NVIDIA_COMPARE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "policy/nvidia/rim.h"
#include "policy/nvidia/verify.h"

namespace kms::nvidia {

struct RimMatch {
  bool driver = false;  // A driver's manifest was compared, and matches.
  bool vbios = false;
  // All that this kind of device needs: a VBIOS's, and a GPU's driver's.
  bool complete = false;
};

// The ids (rim.h) under which a manifest of `kind` for this device may be
// kept; none for a switch's driver.
std::vector<std::string> RimIds(const VerifiedReport& report, RimKind kind);

// Each of `rims` must be for this device and match in every active value. An
// empty span gives a match of nothing.
//   ENDORSEMENT_MISMATCH  a manifest for another product, driver or VBIOS, or
//                         both kinds claim one index
//   MEASUREMENT_MISMATCH  an active value without its measurement
absl::StatusOr<RimMatch> CompareWithRims(
    const VerifiedReport& report,
    absl::Span<const std::shared_ptr<const VerifiedRim>> rims);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_COMPARE_H_
