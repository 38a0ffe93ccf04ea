#include "policy/dcap/report_body.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"

namespace kms::dcap {
namespace {

constexpr size_t kSgxZeros1 = 11;
constexpr size_t kSgxZeros2 = 32;
constexpr size_t kSgxZeros3 = 32;
constexpr size_t kSgxZeros4 = 42;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("dcap report: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat("dcap report: ", fault));
}

template <size_t N>
void Read(ByteReader& reader, std::array<uint8_t, N>& field) {
  const BytesView bytes = reader.Bytes(N);
  std::copy(bytes.begin(), bytes.end(), field.begin());
}

std::string Zeros(size_t size) { return std::string(size, '\0'); }

}  // namespace

absl::StatusOr<SgxReport> ParseSgxReport(BytesView bytes) {
  if (bytes.size() != kSgxReportBytes) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want ", kSgxReportBytes));
  }
  ByteReader reader(bytes);
  SgxReport report;
  Read(reader, report.cpu_svn);
  report.misc_select = reader.U32Le();
  report.cet_attributes = reader.U8();
  reader.Zeros(kSgxZeros1);
  Read(reader, report.isv_ext_prod_id);
  report.attributes = reader.U64Le();
  report.xfrm = reader.U64Le();
  Read(reader, report.mrenclave);
  reader.Zeros(kSgxZeros2);
  Read(reader, report.mrsigner);
  reader.Zeros(kSgxZeros3);
  Read(reader, report.config_id);
  report.isv_prod_id = reader.U16Le();
  report.isv_svn = reader.U16Le();
  report.config_svn = reader.U16Le();
  reader.Zeros(kSgxZeros4);
  Read(reader, report.isv_family_id);
  Read(reader, report.report_data);
  if (!reader.Finish("").ok()) return Malformed("a reserved byte is set");
  if ((report.attributes & ~kSgxKnown) != 0) {
    return Unsupported("an SGX attribute that is not known is set");
  }
  if ((report.misc_select & ~kSgxMiscKnown) != 0) {
    return Unsupported("a MISCSELECT bit that is not known is set");
  }
  // EREPORT works in initialised enclaves only.
  if ((report.attributes & kSgxInit) == 0) return Malformed("INIT is clear");
  return report;
}

absl::StatusOr<TdReport> ParseTdReport(BytesView bytes) {
  if (bytes.size() != kTdReport10Bytes && bytes.size() != kTdReport15Bytes) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want ",
                                  kTdReport10Bytes, " or ", kTdReport15Bytes));
  }
  ByteReader reader(bytes);
  TdReport report;
  Read(reader, report.tee_tcb_svn);
  Read(reader, report.mrseam);
  Read(reader, report.mrsignerseam);
  report.seam_attributes = reader.U64Le();
  report.attributes = reader.U64Le();
  report.xfam = reader.U64Le();
  Read(reader, report.mrtd);
  Read(reader, report.mrconfigid);
  Read(reader, report.mrowner);
  Read(reader, report.mrownerconfig);
  for (std::array<uint8_t, 48>& rtmr : report.rtmr) Read(reader, rtmr);
  Read(reader, report.report_data);
  report.is_15 = bytes.size() == kTdReport15Bytes;
  if (report.is_15) {
    Read(reader, report.tee_tcb_svn_2);
    Read(reader, report.mrservicetd);
  }
  // Every module to date reports zero; a bit set would be a debug module, or
  // something that did not exist when this was written.
  if (report.seam_attributes != 0)
    return Unsupported("a SEAM attribute is set");
  if ((report.attributes & ~kTdKnown) != 0) {
    return Unsupported("a TD attribute that is not known is set");
  }
  if ((report.xfam & ~kXfamKnown) != 0) {
    return Unsupported("an XFAM bit that is not known is set");
  }
  if ((report.xfam & kXfamFixed1) != kXfamFixed1) {
    return Malformed("XFAM lacks x87 or SSE");
  }
  return report;
}

std::string SerializeSgxReport(const SgxReport& report) {
  ByteWriter out;
  out.Bytes(BytesView(report.cpu_svn)).U32Le(report.misc_select);
  out.U8(report.cet_attributes).Bytes(Zeros(kSgxZeros1));
  out.Bytes(BytesView(report.isv_ext_prod_id));
  out.U64Le(report.attributes).U64Le(report.xfrm);
  out.Bytes(BytesView(report.mrenclave)).Bytes(Zeros(kSgxZeros2));
  out.Bytes(BytesView(report.mrsigner)).Bytes(Zeros(kSgxZeros3));
  out.Bytes(BytesView(report.config_id));
  out.U16Le(report.isv_prod_id).U16Le(report.isv_svn);
  out.U16Le(report.config_svn).Bytes(Zeros(kSgxZeros4));
  out.Bytes(BytesView(report.isv_family_id));
  out.Bytes(BytesView(report.report_data));
  return out.Take();
}

std::string SerializeTdReport(const TdReport& report) {
  ByteWriter out;
  out.Bytes(BytesView(report.tee_tcb_svn)).Bytes(BytesView(report.mrseam));
  out.Bytes(BytesView(report.mrsignerseam));
  out.U64Le(report.seam_attributes).U64Le(report.attributes);
  out.U64Le(report.xfam);
  out.Bytes(BytesView(report.mrtd)).Bytes(BytesView(report.mrconfigid));
  out.Bytes(BytesView(report.mrowner)).Bytes(BytesView(report.mrownerconfig));
  for (const std::array<uint8_t, 48>& rtmr : report.rtmr) {
    out.Bytes(BytesView(rtmr));
  }
  out.Bytes(BytesView(report.report_data));
  if (report.is_15) {
    out.Bytes(BytesView(report.tee_tcb_svn_2));
    out.Bytes(BytesView(report.mrservicetd));
  }
  return out.Take();
}

}  // namespace kms::dcap
