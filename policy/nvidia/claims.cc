#include "policy/nvidia/claims.h"

#include <string>

#include "kms/base/bytes.h"

namespace kms::nvidia {
namespace {

absl::string_view ModeName(GpuMode mode) {
  switch (mode) {
    case GpuMode::kSingleGpu:
      return "spt";
    case GpuMode::kMultiGpu:
      return "mpt";
    case GpuMode::kProtectedPcie:
      return "ppcie";
  }
  return "";
}

// NVIDIA's verifiers call secure boot on and debug off when all measurements
// match, because manifests are of production firmware in production state.
// DICE flags, where the certificate has them, can only make it worse.
void FillState(const VerifiedReport& verified, bool complete,
               v1::GpuClaims* gpu) {
  const DeviceCertificate& device = verified.device();
  const DeviceState& state = verified.state();
  gpu->set_debug(device.debug);
  gpu->set_has_secure_boot(complete || device.has_flags);
  gpu->set_secure_boot(complete && !device.not_secure && !device.debug);
  if (state.protected_pcie.has_value()) {
    gpu->set_has_protected_pcie(true);
    gpu->set_protected_pcie(*state.protected_pcie);
  }
  if (!state.mode.has_value()) return;
  gpu->set_mode(std::string(ModeName(*state.mode)));
  // The report does not tell a developer's mode from the real one. The
  // measurements do. Protected PCIe leaves a GPU's memory in the clear.
  if (complete && !device.debug && *state.mode != GpuMode::kProtectedPcie) {
    gpu->set_cc_mode("on");
  }
}

}  // namespace

v1::Claims MakeClaims(const VerifiedReport& verified,
                      const x509::Certificate& leaf,
                      const x509::Certificate& boot_rom,
                      const policy::TrustAnchor& anchor, const RimMatch& match,
                      const policy::TrustAnchor* rim_anchor,
                      bool ocsp_checked) {
  const UnverifiedReport& report = verified.report();
  const DeviceCertificate& device = verified.device();
  const DeviceState& state = verified.state();
  v1::Claims claims;
  v1::GpuClaims* gpu = claims.add_gpus();
  gpu->set_type(v1::NVIDIA_GPU);
  gpu->set_anchor(anchor.name);
  gpu->set_simulated(anchor.simulated ||
                     (rim_anchor != nullptr && rim_anchor->simulated));
  gpu->set_nonce(ToString(BytesView(report.nonce)));
  gpu->set_kind(device.is_switch() ? "nvswitch" : "gpu");
  gpu->set_architecture(std::string(ArchitectureName(device.architecture)));
  gpu->set_spdm_version("1.1");  // The parser refuses others.
  gpu->set_driver_version(state.driver_version);
  gpu->set_vbios_version(state.vbios_version);
  gpu->set_project(state.project);
  gpu->set_project_sku(state.project_sku);
  gpu->set_chip_sku(state.chip_sku);
  gpu->set_chip_id(leaf.serial());
  gpu->set_device_id(boot_rom.serial());
  gpu->set_device_subject(leaf.SubjectCommonName());
  gpu->set_fwid(device.fwid);
  FillState(verified, match.complete, gpu);
  gpu->set_pdi(state.pdi);
  for (const std::string& pdi : state.peer_pdis) gpu->add_peer_pdis(pdi);

  gpu->set_driver_rim_verified(match.driver);
  gpu->set_vbios_rim_verified(match.vbios);
  if (rim_anchor != nullptr) gpu->set_rim_anchor(rim_anchor->name);
  gpu->set_measurements_match(match.complete);
  gpu->set_measurement_count(static_cast<uint32_t>(report.measurements.size()));
  gpu->set_ocsp_checked(ocsp_checked);
  for (size_t i = 0; i < report.measurements.size(); ++i) {
    (*gpu->mutable_measurements())[static_cast<uint32_t>(i + 1)] =
        report.measurements[i].value;
  }
  return claims;
}

}  // namespace kms::nvidia
