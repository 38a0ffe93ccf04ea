#include "policy/nvidia/verify.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::nvidia {
namespace {

absl::Status Refused(v1::RefusalCode code, absl::string_view fault) {
  return Refuse(code, absl::StrCat("nvidia report: ", fault));
}

absl::Status CheckSignature(const UnverifiedReport& report,
                            const crypto::PublicKey& key) {
  if (key.kind() != crypto::KeyKind::kP384) {
    return Refused(v1::ENDORSEMENT_MISMATCH,
                   "the certificate's key is not on P-384");
  }
  if (!key.VerifyEcdsaRaw(crypto::Hash::kSha384, AsBytes(report.signed_bytes),
                          BytesView(report.r), BytesView(report.s))
           .ok()) {
    return Refused(v1::SIGNATURE_INVALID,
                   "not signed by the certificate's key");
  }
  return absl::OkStatus();
}

// The boot ROM measures the firmware and names it in the certificate that it
// issues; the firmware names itself in its report.
absl::Status CheckDevice(const DeviceCertificate& device,
                         const DeviceState& state) {
  if (!state.fwid.empty() && state.fwid != device.fwid) {
    return Refused(v1::TCB_MISMATCH,
                   "the firmware is not what the certificate is for");
  }
  if (!state.chip.empty()) {
    KMS_ASSIGN_OR_RETURN(const Architecture architecture,
                         ArchitectureOf(state.chip));
    if (architecture != device.architecture) {
      return Refused(v1::EVIDENCE_INCONSISTENT,
                     "report and certificate name different architectures");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VerifiedReport> VerifyReport(UnverifiedReport report,
                                            const x509::VerifiedChain& chain) {
  if (AllZero(BytesView(report.nonce))) {
    return Refused(v1::EVIDENCE_NOT_BOUND, "the nonce is all zeros");
  }
  // Leaf, boot ROM and at least the root: without the second there is nothing
  // that names the chip whatever firmware it runs.
  if (chain.path.size() < 3) {
    return Refused(v1::ENDORSEMENT_MISMATCH,
                   "no certificate of the chip's boot ROM");
  }
  const x509::Certificate& leaf = chain.path[0];
  KMS_ASSIGN_OR_RETURN(DeviceCertificate device, ReadDeviceCertificate(leaf));
  KMS_RETURN_IF_ERROR(CheckSignature(report, leaf.public_key()));
  KMS_ASSIGN_OR_RETURN(DeviceState state,
                       ReadDeviceState(report.opaque, device.is_switch()));
  KMS_RETURN_IF_ERROR(CheckDevice(device, state));
  return VerifiedReport(std::move(report), std::move(device), std::move(state));
}

}  // namespace kms::nvidia
