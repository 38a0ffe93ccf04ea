#include "policy/nvidia/device_certificate.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/der.h"

namespace kms::nvidia {
namespace {

// TCG registered the first for DiceTcbInfo; NVIDIA has a CompositeDeviceID
// there and the TcbInfo one arc below.
constexpr absl::string_view kCompositeDeviceIdOid = "2.23.133.5.4.1";
constexpr absl::string_view kTcbInfoOid = "2.23.133.5.4.1.1";
constexpr absl::string_view kSha384Oid = "2.16.840.1.101.3.4.2.2";
constexpr size_t kFwidBytes = 48;

// DiceTcbInfo's OperationalFlags; bit 0 is the first byte's highest.
constexpr uint8_t kFlagNotSecure = 0x40;  // Bit 1.
constexpr uint8_t kFlagDebug = 0x10;      // Bit 3.

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat("nvidia device certificate: ", fault));
}

// FWID ::= SEQUENCE { hashAlg OBJECT IDENTIFIER, digest OCTET STRING }
std::string ReadFwid(x509::DerReader& reader) {
  x509::DerReader fwid = reader.Enter(x509::kDerSequence);
  if (fwid.Oid() != kSha384Oid) fwid.Fail();
  const std::string digest = ToString(fwid.OctetString());
  if (digest.size() != kFwidBytes) fwid.Fail();
  fwid.Finish();
  return digest;
}

// SEQUENCE { version INTEGER, deviceID SubjectPublicKeyInfo, fwid FWID }
absl::Status ReadCompositeDeviceId(const x509::Extension& extension,
                                   DeviceCertificate& out) {
  bool failed = false;
  x509::DerReader outer(AsBytes(extension.value), &failed);
  x509::DerReader id = outer.Enter(x509::kDerSequence);
  outer.Finish();
  const uint32_t version = id.U32();
  id.Take(x509::kDerSequence);
  out.fwid = ReadFwid(id);
  id.Finish();
  if (failed || version != 1) return Malformed("CompositeDeviceID");
  return absl::OkStatus();
}

// DiceTcbInfo: every element optional and tagged, in ascending order. fwids is
// [6], its first entry the firmware's; flags is [7].
absl::Status ReadTcbInfo(const x509::Extension& extension,
                         DeviceCertificate& out) {
  bool failed = false;
  x509::DerReader outer(AsBytes(extension.value), &failed);
  x509::DerReader info = outer.Enter(x509::kDerSequence);
  outer.Finish();
  uint8_t last = 0;
  while (info.More()) {
    const x509::DerValue element = info.Any();
    const uint8_t number = element.tag & 0x1f;
    if (element.tag < 0x80 || (last != 0 && number <= (last & 0x1f))) {
      info.Fail();
    }
    last = element.tag;
    if (element.tag == x509::DerContextConstructed(6)) {
      x509::DerReader list(element.content, &failed);
      out.fwid = ReadFwid(list);
      while (list.More()) ReadFwid(list);
    } else if (element.tag == x509::DerContext(7)) {
      // A BIT STRING's content: the count of unused bits, then the bits.
      if (element.content.size() < 2 || element.content[0] > 7) {
        info.Fail();
        break;
      }
      out.has_flags = true;
      out.debug = (element.content[1] & kFlagDebug) != 0;
      out.not_secure = (element.content[1] & kFlagNotSecure) != 0;
    }
  }
  if (failed) return Malformed("DiceTcbInfo");
  return absl::OkStatus();
}

// The chip in "GH100 A01 GSP FMC LF" or "LS_10 A01 FSP BROM"; empty if the
// name has not this form.
std::string ChipOf(absl::string_view common_name) {
  const size_t space = common_name.find(' ');
  if (space == absl::string_view::npos) return "";
  return absl::StrReplaceAll(common_name.substr(0, space), {{"_", ""}});
}

}  // namespace

absl::string_view ArchitectureName(Architecture architecture) {
  switch (architecture) {
    case Architecture::kHopper:
      return "hopper";
    case Architecture::kBlackwell:
      return "blackwell";
    case Architecture::kLs10:
      return "ls10";
  }
  return "";
}

absl::StatusOr<Architecture> ArchitectureOf(absl::string_view chip) {
  const auto is = [chip](absl::string_view family) {
    return absl::StartsWith(chip, family) && chip.size() > family.size() &&
           absl::ascii_isdigit(static_cast<unsigned char>(chip[family.size()]));
  };
  if (is("GH")) return Architecture::kHopper;
  if (is("GB")) return Architecture::kBlackwell;
  if (chip == "LS10") return Architecture::kLs10;
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                "nvidia device certificate: a chip that we do not know");
}

absl::StatusOr<DeviceCertificate> ReadDeviceCertificate(
    const x509::Certificate& leaf) {
  DeviceCertificate device;
  device.chip = ChipOf(leaf.SubjectCommonName());
  if (device.chip.empty()) return Malformed("the subject names no chip");
  if (ChipOf(leaf.IssuerCommonName()) != device.chip) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "nvidia device certificate: issued by another kind of chip");
  }
  KMS_ASSIGN_OR_RETURN(device.architecture, ArchitectureOf(device.chip));
  const x509::Extension* id = leaf.FindExtension(kCompositeDeviceIdOid);
  const x509::Extension* info = leaf.FindExtension(kTcbInfoOid);
  if (id != nullptr && info != nullptr) {
    return Malformed("two statements of its firmware");
  }
  if (id != nullptr) KMS_RETURN_IF_ERROR(ReadCompositeDeviceId(*id, device));
  if (info != nullptr) KMS_RETURN_IF_ERROR(ReadTcbInfo(*info, device));
  return device;
}

}  // namespace kms::nvidia
