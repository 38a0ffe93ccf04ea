#include "policy/az_vtpm/hcl_report.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"

namespace kms::az_vtpm {
namespace {

constexpr uint32_t kSignature = 0x414c4348;  // "HCLA" in memory.
// The paravisor asks for its AK's certificate with the very same bytes.
constexpr uint32_t kRequestTypeAkCertificate = 2;
constexpr uint32_t kDataVersion = 1;
constexpr uint32_t kHashTypeSha256 = 1;

constexpr size_t kHeaderBytes = 0x20;
constexpr size_t kHardwareAreaBytes = 0x4a0;
constexpr size_t kDataHeaderBytes = 0x14;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("hcl report: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat("hcl report: ", fault));
}

size_t ReportBytes(Hardware hardware) {
  return hardware == Hardware::kSnp ? kSnpReportBytes : kTdReportBytes;
}

}  // namespace

absl::StatusOr<UnverifiedHclReport> ParseHclReport(BytesView bytes) {
  if (bytes.size() > kHclReportBytesMax) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want at most ",
                                  kHclReportBytesMax));
  }
  ByteReader reader(bytes);
  const uint32_t signature = reader.U32Le();
  UnverifiedHclReport report;
  report.version = reader.U32Le();
  const uint32_t size = reader.U32Le();
  const uint32_t request = reader.U32Le();
  const uint32_t status = reader.U32Le();
  const BytesView reserved = reader.Bytes(12);
  const BytesView area = reader.Bytes(kHardwareAreaBytes);
  const uint32_t data_size = reader.U32Le();
  const uint32_t data_version = reader.U32Le();
  const uint32_t hardware = reader.U32Le();
  const uint32_t hash = reader.U32Le();
  const uint32_t runtime_size = reader.U32Le();
  const BytesView runtime = reader.Bytes(runtime_size);
  if (reader.failed()) return Malformed("too short");
  if (signature != kSignature) return Malformed("does not start with HCLA");
  if (report.version != 1 && report.version != 2) {
    return Unsupported(
        absl::StrCat("version ", report.version, ", want 1 or 2"));
  }
  if (request != kRequestTypeAkCertificate || data_version != kDataVersion ||
      hash != kHashTypeSha256) {
    return Unsupported("another request, version or hash of its data");
  }
  if (hardware != static_cast<uint32_t>(Hardware::kSnp) &&
      hardware != static_cast<uint32_t>(Hardware::kTdx)) {
    return Unsupported("neither SNP's nor TDX's");
  }
  report.hardware = static_cast<Hardware>(hardware);
  if (data_size != kDataHeaderBytes + runtime.size() ||
      size != kHeaderBytes + kHardwareAreaBytes + data_size) {
    return Malformed("its sizes contradict each other");
  }
  if (status != 0) return Malformed("made for a request that failed");
  const BytesView padding = reader.Bytes(reader.remaining());
  const size_t report_size = ReportBytes(report.hardware);
  if (!AllZero(reserved) || !AllZero(area.subspan(report_size)) ||
      !AllZero(padding)) {
    return Malformed("a reserved byte or one of the padding is set");
  }
  report.hardware_report = ToString(area.first(report_size));
  report.runtime_data = ToString(runtime);
  report.padding = padding.size();
  return report;
}

std::string SerializeHclReport(const UnverifiedHclReport& report) {
  const uint32_t runtime_size =
      static_cast<uint32_t>(report.runtime_data.size());
  const uint32_t data_size =
      static_cast<uint32_t>(kDataHeaderBytes) + runtime_size;
  ByteWriter out;
  out.U32Le(kSignature).U32Le(report.version);
  out.U32Le(static_cast<uint32_t>(kHeaderBytes + kHardwareAreaBytes) +
            data_size);
  out.U32Le(kRequestTypeAkCertificate).U32Le(0).Bytes(std::string(12, '\0'));
  std::string area = report.hardware_report;
  area.resize(kHardwareAreaBytes, '\0');
  out.Bytes(area);
  out.U32Le(data_size).U32Le(kDataVersion);
  out.U32Le(static_cast<uint32_t>(report.hardware)).U32Le(kHashTypeSha256);
  out.U32Le(runtime_size).Bytes(report.runtime_data);
  out.Bytes(std::string(report.padding, '\0'));
  return out.Take();
}

}  // namespace kms::az_vtpm
