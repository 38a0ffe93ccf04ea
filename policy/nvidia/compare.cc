#include "policy/nvidia/compare.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::nvidia {
namespace {

constexpr uint32_t kNvdec0Index = 36;
constexpr uint8_t kRawValue = 0x80;

absl::Status Mismatch(v1::RefusalCode code, absl::string_view fault) {
  return Refuse(code, absl::StrCat("nvidia measurements: ", fault));
}

bool Matches(const VerifiedReport& report, uint32_t index,
             const std::vector<std::string>& alternatives) {
  const std::vector<Measurement>& measured = report.report().measurements;
  if (index > measured.size()) return false;
  const Measurement& measurement = measured[index - 1];
  return (measurement.type & kRawValue) == 0 &&
         std::find(alternatives.begin(), alternatives.end(),
                   measurement.value) != alternatives.end();
}

}  // namespace

std::vector<std::string> RimIds(const VerifiedReport& report, RimKind kind) {
  const DeviceCertificate& device = report.device();
  const DeviceState& state = report.state();
  if (kind == RimKind::kDriver && device.is_switch()) return {};
  const std::string& version =
      kind == RimKind::kDriver ? state.driver_version : state.vbios_version;
  std::vector<std::string> ids = {Rim::MakeId(kind, device.chip, version)};
  // A Blackwell device says itself which of its family it is.
  if (!state.chip.empty() && state.chip != device.chip) {
    ids.push_back(Rim::MakeId(kind, state.chip, version));
  }
  return ids;
}

absl::StatusOr<RimMatch> CompareWithRims(
    const VerifiedReport& report,
    absl::Span<const std::shared_ptr<const VerifiedRim>> rims) {
  RimMatch match;
  std::map<uint32_t, RimKind> claimed;
  for (const std::shared_ptr<const VerifiedRim>& rim : rims) {
    const std::vector<std::string> ids = RimIds(report, rim->kind());
    if (std::find(ids.begin(), ids.end(), rim->id()) == ids.end()) {
      return Mismatch(
          v1::ENDORSEMENT_MISMATCH,
          absl::StrCat("a ", RimRole(rim->kind()), " for another device"));
    }
    for (const auto& [index, alternatives] : rim->measurements()) {
      if (claimed.emplace(index, rim->kind()).first->second != rim->kind()) {
        return Mismatch(
            v1::ENDORSEMENT_MISMATCH,
            absl::StrCat("two manifests claim the SPDM index ", index));
      }
      if (index == kNvdec0Index && report.state().nvdec0_disabled) continue;
      if (!Matches(report, index, alternatives)) {
        return Mismatch(v1::MEASUREMENT_MISMATCH,
                        absl::StrCat("SPDM index ", index,
                                     " is not what its manifest wants"));
      }
    }
    (rim->kind() == RimKind::kDriver ? match.driver : match.vbios) = true;
  }
  match.complete = match.vbios && (match.driver || report.device().is_switch());
  return match;
}

}  // namespace kms::nvidia
