#include "policy/az_vtpm/td_report.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "policy/az_vtpm/hcl_report.h"

namespace kms::az_vtpm {
namespace {

constexpr uint8_t kTypeTdx = 0x81;
constexpr size_t kMeasurementBytes = 48;
constexpr size_t kTcbInfoBytes = 239;
constexpr size_t kTdInfoBytes = 512;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("tdreport: ", fault));
}

std::string Take(ByteReader& reader, size_t size) {
  return ToString(reader.Bytes(size));
}

void ReadTcbInfo(BytesView bytes, UnverifiedTdReport& report) {
  ByteReader reader(bytes);
  reader.U64Le();  // Which of the fields the module knows.
  report.tee_tcb_svn = Take(reader, 16);
  report.mrseam = Take(reader, kMeasurementBytes);
  report.mrsignerseam = Take(reader, kMeasurementBytes);
  report.seam_attributes = reader.U64Le();
}

bool ReadTdInfo(BytesView bytes, UnverifiedTdReport& report) {
  ByteReader reader(bytes);
  report.attributes = reader.U64Le();
  report.xfam = reader.U64Le();
  for (std::string* field :
       {&report.mrtd, &report.mrconfigid, &report.mrowner,
        &report.mrownerconfig, &report.rtmr[0], &report.rtmr[1],
        &report.rtmr[2], &report.rtmr[3], &report.servtd_hash}) {
    *field = Take(reader, kMeasurementBytes);
  }
  reader.Zeros(reader.remaining());
  return !reader.failed();
}

}  // namespace

absl::StatusOr<UnverifiedTdReport> ParseTdReport(BytesView bytes) {
  if (bytes.size() != kTdReportBytes) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want ", kTdReportBytes));
  }
  ByteReader reader(bytes);
  const uint8_t type = reader.U8();
  const uint8_t subtype = reader.U8();
  const uint8_t version = reader.U8();
  reader.Zeros(1 + 12);
  reader.Bytes(16);  // CPUSVN, which a quote does not repeat.
  const BytesView tcb_digest = reader.Bytes(kMeasurementBytes);
  const BytesView info_digest = reader.Bytes(kMeasurementBytes);
  UnverifiedTdReport report;
  report.report_data = Take(reader, 64);
  reader.Zeros(32);
  reader.Bytes(32);  // The MAC.
  const BytesView tcb = reader.Bytes(kTcbInfoBytes);
  reader.Zeros(17);
  const BytesView info = reader.Bytes(kTdInfoBytes);
  // Version 1 has the same layout, with a service TD in TDINFO.
  if (reader.failed() || type != kTypeTdx || subtype != 0 || version > 1) {
    return Malformed("another type, or a reserved byte is set");
  }
  if (tcb_digest != AsBytes(crypto::Sha384(tcb)) ||
      info_digest != AsBytes(crypto::Sha384(info))) {
    return Malformed("its digests are not of its own parts");
  }
  ReadTcbInfo(tcb, report);
  if (!ReadTdInfo(info, report)) return Malformed("a reserved byte is set");
  return report;
}

absl::Status CheckQuoteIsOf(const UnverifiedTdReport& report,
                            const v1::CpuClaims& cpu) {
  const v1::TdxClaims& tdx = cpu.tdx();
  const bool same =
      report.report_data == cpu.report_data() &&
      report.tee_tcb_svn == tdx.tee_tcb_svn() &&
      report.mrseam == tdx.mrseam() &&
      report.mrsignerseam == tdx.mrsignerseam() &&
      report.seam_attributes == tdx.seam_attributes() &&
      report.attributes == tdx.attributes() && report.xfam == tdx.xfam() &&
      report.mrtd == tdx.mrtd() && report.mrconfigid == tdx.mrconfigid() &&
      report.mrowner == tdx.mrowner() &&
      report.mrownerconfig == tdx.mrownerconfig() &&
      report.rtmr[0] == tdx.rtmr0() && report.rtmr[1] == tdx.rtmr1() &&
      report.rtmr[2] == tdx.rtmr2() && report.rtmr[3] == tdx.rtmr3() &&
      // Quotes of TD 1.0 bodies do not say.
      (tdx.mrservicetd().empty() || report.servtd_hash == tdx.mrservicetd());
  if (same) return absl::OkStatus();
  return Refuse(v1::EVIDENCE_INCONSISTENT,
                "hcl report: the TD quote is of another TDREPORT");
}

}  // namespace kms::az_vtpm
