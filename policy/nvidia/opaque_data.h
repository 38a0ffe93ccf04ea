// The opaque data of an NVIDIA measurements response: what the device says of
// itself beside its measurements. Source: NVIDIA attestation SDK (field types
// and their encodings).
//
//   field = type u16 | size u16 | data        little-endian
//
// The device signs it, so a field of a type that we do not know is skipped:
// new firmware adds them. No type may occur twice.
// Thread-safe: values and free functions.
#ifndef POLICY_NVIDIA_OPAQUE_DATA_H_
#define POLICY_NVIDIA_OPAQUE_DATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"

namespace kms::nvidia {

enum OpaqueType : uint16_t {
  kOpaqueDriverVersion = 3,
  kOpaqueVbiosVersion = 6,
  kOpaqueNvdec0Status = 11,
  kOpaqueChipSku = 15,
  kOpaqueProject = 17,
  kOpaqueProjectSku = 18,
  kOpaqueFwid = 20,
  kOpaqueProtectedPcie = 21,
  kOpaquePdi = 22,  // A GPU's: of the switches it reaches. A switch's: its own.
  kOpaqueSwitchGpuPdis = 26,
  kOpaqueDataVersion = 34,
  kOpaqueChipInfo = 35,
  kOpaqueFeatureFlag = 36,
};

struct OpaqueField {
  uint16_t type = 0;
  std::string data;
};

// EVIDENCE_MALFORMED: over kOpaqueBytesMax or kOpaqueFieldsMax, a field that
// reaches past the end, or a type twice.
absl::StatusOr<std::vector<OpaqueField>> ParseOpaqueData(BytesView bytes);

// The inverse, for the fuzz test and simulators.
std::string SerializeOpaqueData(const std::vector<OpaqueField>& fields);

enum class GpuMode { kMultiGpu, kSingleGpu, kProtectedPcie };

// The fields that mean something here. Texts are printable ASCII, at most
// kRimTextBytesMax; empty if absent.
struct DeviceState {
  std::string driver_version;  // "550.90.07"; a switch has none.
  std::string vbios_version;   // "96.00.9F.00.01".
  std::string project, project_sku, chip_sku;
  std::string chip;  // "GB100"; Hopper and switches do not say.
  std::string fwid;  // 48 bytes, or empty.
  std::optional<bool> protected_pcie;
  std::optional<GpuMode> mode;
  // The video decoder that holds the SPDM index 36 is off, and its measurement
  // means nothing.
  bool nvdec0_disabled = false;
  std::string pdi;                     // A switch's own; 8 bytes, or empty.
  std::vector<std::string> peer_pdis;  // 8 bytes each; sorted, each once.
};

// `is_switch`: the device is an NVSwitch; some fields differ.
//   EVIDENCE_MALFORMED    a field of another size or form, or no VBIOS
//                         version, or a GPU without driver version
//   EVIDENCE_UNSUPPORTED  a data version or mode that we do not know
absl::StatusOr<DeviceState> ReadDeviceState(
    const std::vector<OpaqueField>& fields, bool is_switch);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_OPAQUE_DATA_H_
