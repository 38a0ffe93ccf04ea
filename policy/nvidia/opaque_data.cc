#include "policy/nvidia/opaque_data.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/nvidia/limits.h"

namespace kms::nvidia {
namespace {

constexpr size_t kFwidBytes = 48;
constexpr size_t kPdiBytes = 8;
// A switch names up to eight GPUs; the ports that lead there follow.
constexpr size_t kSwitchGpusMax = 8;
constexpr uint64_t kDataVersionMax = 1;

// How NVIDIA's firmware spells a boolean, far apart against glitches.
constexpr uint8_t kEnabled = 0xaa;
constexpr uint8_t kDisabled = 0x55;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("nvidia opaque data: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat("nvidia opaque data: ", fault));
}

const OpaqueField* Find(const std::vector<OpaqueField>& fields,
                        OpaqueType type) {
  for (const OpaqueField& field : fields) {
    if (field.type == type) return &field;
  }
  return nullptr;
}

// Printable ASCII, filled up with zeros. Empty if the field is absent.
absl::StatusOr<std::string> ReadText(const std::vector<OpaqueField>& fields,
                                     OpaqueType type) {
  const OpaqueField* field = Find(fields, type);
  if (field == nullptr) return std::string();
  std::string text = field->data;
  while (!text.empty() && text.back() == '\0') text.pop_back();
  if (text.empty() || text.size() > kRimTextBytesMax ||
      !std::all_of(text.begin(), text.end(), absl::ascii_isgraph)) {
    return Malformed(absl::StrCat("field ", type, " is not a short text"));
  }
  return text;
}

// 00 9f 00 96 01 00 00 00 is "96.00.9F.00.01".
absl::StatusOr<std::string> ReadGpuVbios(const OpaqueField& field) {
  ByteReader reader(AsBytes(field.data));
  const uint32_t version = reader.U32Le();
  const uint8_t oem = reader.U8();
  reader.Zeros(3);
  if (!reader.Finish("").ok()) {
    return Malformed("the VBIOS version is not five bytes and three zeros");
  }
  return absl::StrFormat("%02X.%02X.%02X.%02X.%02X", version >> 24,
                         version >> 16 & 0xff, version >> 8 & 0xff,
                         version & 0xff, oem);
}

// Little-endian, of 1 to 8 bytes; nothing if the field is absent.
absl::StatusOr<std::optional<uint64_t>> ReadNumber(
    const std::vector<OpaqueField>& fields, OpaqueType type) {
  const OpaqueField* field = Find(fields, type);
  if (field == nullptr) return std::nullopt;
  if (field->data.empty() || field->data.size() > sizeof(uint64_t)) {
    return Malformed(absl::StrCat("field ", type, " is not a number"));
  }
  uint64_t value = 0;
  for (size_t i = 0; i < field->data.size(); ++i) {
    value |= uint64_t{static_cast<uint8_t>(field->data[i])} << (8 * i);
  }
  return value;
}

absl::StatusOr<std::optional<bool>> ReadFlag(
    const std::vector<OpaqueField>& fields, OpaqueType type) {
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> value,
                       ReadNumber(fields, type));
  if (!value.has_value()) return std::nullopt;
  if (*value != kEnabled && *value != kDisabled) {
    return Malformed(absl::StrCat("field ", type, " is neither on nor off"));
  }
  return *value == kEnabled;
}

absl::StatusOr<std::optional<GpuMode>> ReadMode(
    const std::vector<OpaqueField>& fields) {
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> flag,
                       ReadNumber(fields, kOpaqueFeatureFlag));
  if (!flag.has_value()) return std::nullopt;
  switch (*flag) {
    case 0:
      return GpuMode::kMultiGpu;
    case 1:
      return GpuMode::kSingleGpu;
    case 2:
      return GpuMode::kProtectedPcie;
    default:
      return Unsupported("a mode that we do not know");
  }
}

absl::Status ReadPdis(const std::vector<OpaqueField>& fields, bool is_switch,
                      DeviceState& state) {
  std::string list;
  if (const OpaqueField* field = Find(fields, kOpaquePdi)) list = field->data;
  if (is_switch) {
    if (!list.empty() && list.size() != kPdiBytes) {
      return Malformed("the switch's identity is not 8 bytes");
    }
    state.pdi = std::move(list);
    list.clear();
    if (const OpaqueField* gpus = Find(fields, kOpaqueSwitchGpuPdis)) {
      if (gpus->data.size() < kSwitchGpusMax * kPdiBytes) {
        return Malformed("the switch's list of GPUs is too short");
      }
      list = gpus->data.substr(0, kSwitchGpusMax * kPdiBytes);
    }
  }
  if (list.size() % kPdiBytes != 0) {
    return Malformed("a list of identities is not a multiple of 8 bytes");
  }
  std::set<std::string> peers;
  for (size_t at = 0; at < list.size(); at += kPdiBytes) {
    const std::string peer = list.substr(at, kPdiBytes);
    if (!AllZero(AsBytes(peer))) peers.insert(peer);  // Zero: no link.
  }
  state.peer_pdis.assign(peers.begin(), peers.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<OpaqueField>> ParseOpaqueData(BytesView bytes) {
  if (bytes.size() > kOpaqueBytesMax) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want at most ", kOpaqueBytesMax));
  }
  ByteReader reader(bytes);
  std::vector<OpaqueField> fields;
  std::set<uint16_t> types;
  while (!reader.failed() && reader.remaining() > 0) {
    OpaqueField field;
    field.type = reader.U16Le();
    const uint16_t size = reader.U16Le();
    field.data = ToString(reader.Bytes(size));
    if (reader.failed()) return Malformed("a field reaches past the end");
    if (!types.insert(field.type).second) {
      return Malformed(absl::StrCat("two fields of type ", field.type));
    }
    fields.push_back(std::move(field));
    if (fields.size() > kOpaqueFieldsMax) return Malformed("too many fields");
  }
  return fields;
}

std::string SerializeOpaqueData(const std::vector<OpaqueField>& fields) {
  ByteWriter writer;
  for (const OpaqueField& field : fields) {
    writer.U16Le(field.type)
        .U16Le(static_cast<uint16_t>(field.data.size()))
        .Bytes(field.data);
  }
  return writer.Take();
}

absl::StatusOr<DeviceState> ReadDeviceState(
    const std::vector<OpaqueField>& fields, bool is_switch) {
  KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> version,
                       ReadNumber(fields, kOpaqueDataVersion));
  if (version.value_or(0) > kDataVersionMax) {
    return Unsupported("a data version that we do not know");
  }
  DeviceState state;
  if (is_switch) {
    KMS_ASSIGN_OR_RETURN(state.vbios_version,
                         ReadText(fields, kOpaqueVbiosVersion));
  } else {
    KMS_ASSIGN_OR_RETURN(state.driver_version,
                         ReadText(fields, kOpaqueDriverVersion));
    if (state.driver_version.empty()) return Malformed("no driver version");
    if (const OpaqueField* vbios = Find(fields, kOpaqueVbiosVersion)) {
      KMS_ASSIGN_OR_RETURN(state.vbios_version, ReadGpuVbios(*vbios));
    }
    KMS_ASSIGN_OR_RETURN(const std::optional<uint64_t> nvdec0,
                         ReadNumber(fields, kOpaqueNvdec0Status));
    state.nvdec0_disabled = nvdec0 == kDisabled;
    KMS_ASSIGN_OR_RETURN(state.mode, ReadMode(fields));
  }
  if (state.vbios_version.empty()) return Malformed("no VBIOS version");
  KMS_ASSIGN_OR_RETURN(state.project, ReadText(fields, kOpaqueProject));
  KMS_ASSIGN_OR_RETURN(state.project_sku, ReadText(fields, kOpaqueProjectSku));
  KMS_ASSIGN_OR_RETURN(state.chip_sku, ReadText(fields, kOpaqueChipSku));
  KMS_ASSIGN_OR_RETURN(state.chip, ReadText(fields, kOpaqueChipInfo));
  KMS_ASSIGN_OR_RETURN(state.protected_pcie,
                       ReadFlag(fields, kOpaqueProtectedPcie));
  if (const OpaqueField* fwid = Find(fields, kOpaqueFwid)) {
    if (fwid->data.size() != kFwidBytes) {
      return Malformed("the firmware's identity is not 48 bytes");
    }
    state.fwid = fwid->data;
  }
  KMS_RETURN_IF_ERROR(ReadPdis(fields, is_switch, state));
  return state;
}

}  // namespace kms::nvidia
