// The root key, sealed by a TPM 2.0 under its storage hierarchy, to be had
// again only while the configured PCRs (SHA-256 bank) are what they were: on
// this machine, booted as it was.
//
// What changes those PCRs on purpose - new firmware, a new kernel - is done
// after a rekey to custodians, and another one back; or the instance joins
// anew. There is no other way in, which is what the seal is for.
//
//   wrapped    = format pcrs value*n srk public private
//   format     = %x01
//   pcrs       = uint32be               ; bit i: PCR i; n bits are set
//   value      = 32 bytes               ; of each PCR, ascending: to tell
//                                       ; which one changed, and nothing else
//   srk        = 34 bytes               ; the storage root key's name
//   public     = uint16be length, TPM2B_PUBLIC
//   private    = uint16be length, TPM2B_PRIVATE
//
// The parameters with the root key in them are encrypted, under a session
// salted to the storage root key, whose name must be the one that is kept: who
// sits between us and the TPM later learns nothing. Who sat there at Wrap could
// have put his own key in its place.
#ifndef KMS_SEAL_TPM_TPM_DEVICE_H_
#define KMS_SEAL_TPM_TPM_DEVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kms/seal/root_device.h"

namespace kms::seal {

struct TpmOptions {
  std::string tcti;            // "device:/dev/tpmrm0".
  std::vector<uint32_t> pcrs;  // Ascending, 1 to 24 of them, each below 24.
};

class TpmDevice : public RootDevice {
 public:
  explicit TpmDevice(TpmOptions options);

  // SEAL_PIN_REJECTED: the owner hierarchy has a password.
  absl::StatusOr<std::string> Wrap(const Secret& root) const override;

  // By the PCRs that Wrap was configured with. SEAL_PCRS_CHANGED names those
  // that changed.
  absl::StatusOr<Secret> Unwrap(BytesView wrapped) const override;

 private:
  const TpmOptions options_;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_TPM_TPM_DEVICE_H_
