// Who says it: ties a report to the key that NVIDIA's hierarchy vouches for.
// Sources: DMTF DSP0274 1.1.1, section 10.11.2 (signature); NVIDIA attestation
// SDK (firmware identity).
// Thread-safe: free functions over values. Judges neither debug nor the nonce's
// freshness nor measurements: those are the policy's, the caller's and
// compare.h's.
#ifndef POLICY_NVIDIA_VERIFY_H_
#define POLICY_NVIDIA_VERIFY_H_

#include <utility>

#include "absl/status/statusor.h"
#include "kms/crypto/x509/chain.h"
#include "policy/nvidia/device_certificate.h"
#include "policy/nvidia/opaque_data.h"
#include "policy/nvidia/report.h"

namespace kms::nvidia {

// A report whose signature verified under the leaf of a verified chain, and
// that agrees with that certificate. Only VerifyReport makes one.
class VerifiedReport {
 public:
  const UnverifiedReport& report() const { return report_; }
  const DeviceCertificate& device() const { return device_; }
  const DeviceState& state() const { return state_; }

 private:
  friend absl::StatusOr<VerifiedReport> VerifyReport(
      UnverifiedReport report, const x509::VerifiedChain& chain);
  VerifiedReport(UnverifiedReport report, DeviceCertificate device,
                 DeviceState state)
      : report_(std::move(report)),
        device_(std::move(device)),
        state_(std::move(state)) {}

  UnverifiedReport report_;
  DeviceCertificate device_;
  DeviceState state_;
};

// `chain` ends in an anchor of NVIDIA_GPU for Evidence.
//   those of ReadDeviceCertificate and ReadDeviceState
//   EVIDENCE_NOT_BOUND     the nonce is all zeros, which nobody chose
//   ENDORSEMENT_MISMATCH   the certificate's key is not on P-384
//   SIGNATURE_INVALID      the signature does not verify under it
//   TCB_MISMATCH           the device runs other firmware than its
//                          certificate is for
//   EVIDENCE_INCONSISTENT  the device says that it is of another architecture
absl::StatusOr<VerifiedReport> VerifyReport(UnverifiedReport report,
                                            const x509::VerifiedChain& chain);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_VERIFY_H_
