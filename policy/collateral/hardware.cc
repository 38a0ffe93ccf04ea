#include "policy/collateral/hardware.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"

namespace kms::policy {
namespace {

absl::Status Denied(absl::string_view fault) {
  return Refuse(v1::HARDWARE_DENIED, fault);
}

// The hardware that vouches for the virtual TPM of an Azure type.
v1::EvidenceType HardwareOf(v1::EvidenceType type) {
  switch (type) {
    case v1::AZ_SNP_VTPM:
      return v1::SEV_SNP;
    case v1::AZ_TDX_VTPM:
      return v1::TDX;
    default:
      return type;
  }
}

}  // namespace

DeniedHardware::DeniedHardware(std::set<v1::EvidenceType> types_off,
                               std::set<std::string> chips)
    : types_off_(std::move(types_off)), chips_(std::move(chips)) {
  ByteWriter inputs;
  inputs.U32Be(static_cast<uint32_t>(types_off_.size()));
  for (const v1::EvidenceType type : types_off_) {
    inputs.U32Be(static_cast<uint32_t>(type));
  }
  for (const std::string& chip : chips_) inputs.Field(chip);
  digest_ = crypto::Sha256(AsBytes(inputs.str()));
}

bool DeniedHardware::IsOff(v1::EvidenceType type) const {
  return types_off_.count(type) != 0 || types_off_.count(HardwareOf(type)) != 0;
}

absl::Status DeniedHardware::CheckTypes(
    const v1::EvidenceBundle& bundle) const {
  for (const v1::Evidence& evidence : bundle.evidence()) {
    if (IsOff(evidence.type())) {
      return Denied("evidence: this type is switched off");
    }
  }
  return absl::OkStatus();
}

absl::Status DeniedHardware::CheckClaims(const v1::Claims& claims) const {
  const auto check = [this](absl::string_view part,
                            const std::string& identity) {
    if (identity.empty() || chips_.count(identity) == 0) {
      return absl::OkStatus();
    }
    return Denied(absl::StrCat("evidence: its ", part, " is on a deny list"));
  };
  const v1::CpuClaims& cpu = claims.cpu();
  KMS_RETURN_IF_ERROR(check("chip", cpu.chip_id()));
  KMS_RETURN_IF_ERROR(check("platform", cpu.dcap().ppid()));
  KMS_RETURN_IF_ERROR(check("platform", cpu.dcap().platform_instance_id()));
  KMS_RETURN_IF_ERROR(check("platform", cpu.cca().instance_id()));
  for (const v1::GpuClaims& gpu : claims.gpus()) {
    KMS_RETURN_IF_ERROR(check("GPU", gpu.chip_id()));
    KMS_RETURN_IF_ERROR(check("GPU", gpu.device_id()));
  }
  return check("TPM", claims.tpm().ak_spki_sha256());
}

}  // namespace kms::policy
