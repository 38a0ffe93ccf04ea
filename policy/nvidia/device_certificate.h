// What an NVIDIA device's certificate says: which chip it is, and the firmware
// that its key was made for.
// Sources: NVIDIA attestation SDK (names); TCG DICE Attestation Architecture
// 1.1, section 6.1.1 (DiceTcbInfo); the CompositeDeviceID of Microsoft's RIoT,
// which Hopper's firmware still writes.
//
// The path is leaf, BROM, provisioner, identity, root. The leaf is issued on
// the device by its boot ROM for the firmware that it has measured, so it
// never expires and no responder knows it.
// Thread-safe: free functions over values.
#ifndef POLICY_NVIDIA_DEVICE_CERTIFICATE_H_
#define POLICY_NVIDIA_DEVICE_CERTIFICATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::nvidia {

enum class Architecture { kHopper, kBlackwell, kLs10 };

absl::string_view ArchitectureName(Architecture architecture);  // "hopper".

struct DeviceCertificate {
  std::string chip;  // "GH100", "GB100", "LS10".
  Architecture architecture = Architecture::kHopper;
  std::string fwid;  // 48 bytes, SHA-384 of the firmware; empty if not stated.
  // DICE operational flags; false where the certificate has none.
  bool has_flags = false;
  bool debug = false;
  bool not_secure = false;

  bool is_switch() const { return architecture == Architecture::kLs10; }
};

//   ENDORSEMENT_MALFORMED  no common name of a device, or a firmware identity
//                          of another form
//   ENDORSEMENT_MISMATCH   the issuer's name is another chip's
//   EVIDENCE_UNSUPPORTED   a chip that we do not know
absl::StatusOr<DeviceCertificate> ReadDeviceCertificate(
    const x509::Certificate& leaf);

// The architecture of a chip's name; EVIDENCE_UNSUPPORTED otherwise.
absl::StatusOr<Architecture> ArchitectureOf(absl::string_view chip);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_DEVICE_CERTIFICATE_H_
