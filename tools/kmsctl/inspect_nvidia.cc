#include "tools/kmsctl/inspect_nvidia.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/ocsp.h"
#include "policy/nvidia/device_certificate.h"
#include "policy/nvidia/opaque_data.h"
#include "policy/nvidia/report.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

using nvidia::DeviceCertificate;
using nvidia::DeviceState;
using nvidia::Rim;
using nvidia::UnverifiedReport;

absl::string_view ModeText(const DeviceState& state) {
  if (!state.mode.has_value()) return "(not stated)";
  switch (*state.mode) {
    case nvidia::GpuMode::kSingleGpu:
      return "single GPU";
    case nvidia::GpuMode::kMultiGpu:
      return "several GPUs";
    case nvidia::GpuMode::kProtectedPcie:
      return "protected PCIe";
  }
  return "";
}

void ShowState(const DeviceState& state, std::string& out) {
  if (!state.driver_version.empty()) {
    Row("driver", state.driver_version, out);
  }
  Row("vbios", state.vbios_version, out);
  if (!state.project.empty()) {
    Row("board",
        absl::StrCat("project ", state.project, ", sku ", state.project_sku,
                     ", chip sku ", state.chip_sku),
        out);
  }
  Row("mode", ModeText(state), out);
  if (!state.fwid.empty()) Row("firmware", Hex(state.fwid), out);
  if (!state.pdi.empty()) Row("link identity", Hex(state.pdi), out);
  for (const std::string& peer : state.peer_pdis) Row("peer", Hex(peer), out);
}

// The device's own certificate is what is no CA.
std::optional<DeviceCertificate> ShowChain(const v1::Evidence& evidence,
                                           std::string& out) {
  std::optional<DeviceCertificate> device;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "cert_chain") continue;
    const auto certificates = x509::ParseCertificates(AsBytes(file.content()));
    if (!certificates.ok()) {
      Row("chain", certificates.status().message(), out);
      continue;
    }
    for (const x509::Certificate& certificate : *certificates) {
      ShowCertificate(certificate.is_ca() ? "offered" : "device", certificate,
                      out);
      if (certificate.is_ca()) continue;
      const auto read = nvidia::ReadDeviceCertificate(certificate);
      if (!read.ok()) {
        Row("device", read.status().message(), out);
        continue;
      }
      device = *read;
    }
  }
  return device;
}

std::vector<Rim> ShowManifests(const v1::Evidence& evidence, std::string& out) {
  std::vector<Rim> rims;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "rim_driver" && file.role() != "rim_vbios") continue;
    absl::StatusOr<Rim> rim =
        nvidia::ParseUnverifiedRim(AsBytes(file.content()));
    if (!rim.ok()) {
      Row(file.role(), rim.status().message(), out);
      continue;
    }
    Row(file.role(),
        absl::StrCat(Printable(rim->Id()), ", ", rim->measurements.size(),
                     " active values"),
        out);
    rims.push_back(*std::move(rim));
  }
  return rims;
}

// "= driver" where a manifest wants what was measured.
void ShowMeasurements(const UnverifiedReport& report,
                      const std::vector<Rim>& rims, std::string& out) {
  for (size_t i = 0; i < report.measurements.size(); ++i) {
    const std::string& value = report.measurements[i].value;
    std::string text = Hex(value);
    for (const Rim& rim : rims) {
      const auto wanted = rim.measurements.find(static_cast<uint32_t>(i + 1));
      if (wanted == rim.measurements.end()) continue;
      const bool match = std::find(wanted->second.begin(), wanted->second.end(),
                                   value) != wanted->second.end();
      absl::StrAppend(
          &text, match ? "  = " : "  DIFFERS FROM ",
          rim.kind == nvidia::RimKind::kDriver ? "driver" : "vbios");
    }
    Row(absl::StrCat("measurement ", i + 1), text, out);
  }
}

void ShowOcsp(const v1::Evidence& evidence, std::string& out) {
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "ocsp_response") continue;
    const auto response = x509::OcspResponse::Parse(AsBytes(file.content()));
    if (!response.ok()) {
      Row("ocsp", response.status().message(), out);
      continue;
    }
    for (const x509::OcspEntry& entry : response->entries()) {
      Row("ocsp",
          absl::StrCat("serial ", Hex(entry.serial), ": ",
                       entry.status == x509::OcspStatus::kGood      ? "good"
                       : entry.status == x509::OcspStatus::kRevoked ? "REVOKED"
                                                                    : "UNKNOWN",
                       ", ", Date(entry.this_update), " to ",
                       entry.next_update.has_value() ? Date(*entry.next_update)
                                                     : "(open)"),
          out);
    }
  }
}

}  // namespace

void ShowNvidia(const v1::Evidence& evidence, std::string& out) {
  const std::string* file = policy::FindFile(evidence, "evidence");
  if (file == nullptr) {
    Row("report", "(none)", out);
    return;
  }
  const auto report = nvidia::ParseReport(AsBytes(*file));
  if (!report.ok()) {
    Row("report", report.status().message(), out);
    return;
  }
  Row("spdm", "1.1", out);
  Row("nonce", Hex(BytesView(report->nonce)), out);
  const std::optional<DeviceCertificate> device = ShowChain(evidence, out);
  if (device.has_value()) {
    Row("chip",
        absl::StrCat(Printable(device->chip), ", ",
                     ArchitectureName(device->architecture),
                     device->debug ? ", DEBUG" : ""),
        out);
    if (!device->fwid.empty()) {
      Row("certified firmware", Hex(device->fwid), out);
    }
  }
  const auto state = nvidia::ReadDeviceState(
      report->opaque, device.has_value() && device->is_switch());
  if (state.ok()) {
    ShowState(*state, out);
  } else {
    Row("state", state.status().message(), out);
  }
  ShowMeasurements(*report, ShowManifests(evidence, out), out);
  ShowOcsp(evidence, out);
}

}  // namespace kms::kmsctl
