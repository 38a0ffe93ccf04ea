// The TDREPORT of a TD: what the quoting enclave makes a quote of. Source:
// Intel TDX Module ABI, TDREPORT_STRUCT, TEE_TCB_INFO and TDINFO_STRUCT. All
// integers are little-endian.
//
//   000 type u8 = 81, 3 more | 004 zero 12 | 010 CPUSVN 16
//   020 SHA-384 of TEE_TCB_INFO | 050 SHA-384 of TDINFO | 080 report data 64
//   0c0 zero 32 | 0e0 MAC 32
//   100 TEE_TCB_INFO 239: valid u64 | TEE_TCB_SVN 16 | MRSEAM 48
//       MRSIGNERSEAM 48 | attributes u64 | more of TDX 1.5, zero in 1.0
//   1ef zero 17
//   200 TDINFO 512: attributes u64 | XFAM u64 | MRTD 48 | MRCONFIGID 48
//       MROWNER 48 | MROWNERCONFIG 48 | RTMR0 to RTMR3 48 each | SERVTD 48
//       zero 64
//
// Only the CPU that made it can check its MAC. So nothing is believed because a
// TDREPORT says it; it is compared with a quote of it.
// Thread-safe: values and free functions.
#ifndef POLICY_AZ_VTPM_TD_REPORT_H_
#define POLICY_AZ_VTPM_TD_REPORT_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::az_vtpm {

// Names as the ABI has them; bytes as received.
struct UnverifiedTdReport {
  std::string report_data;
  std::string tee_tcb_svn, mrseam, mrsignerseam;
  uint64_t seam_attributes = 0;
  uint64_t attributes = 0;
  uint64_t xfam = 0;
  std::string mrtd, mrconfigid, mrowner, mrownerconfig;
  std::array<std::string, 4> rtmr;
  std::string servtd_hash;
};

// `bytes`: kTdReportBytes. EVIDENCE_MALFORMED: another size, type or reserved
// byte, or one of its own digests is wrong.
absl::StatusOr<UnverifiedTdReport> ParseTdReport(BytesView bytes);

// OK if the quote that `cpu` was claimed from is one of `report`.
// EVIDENCE_INCONSISTENT otherwise.
absl::Status CheckQuoteIsOf(const UnverifiedTdReport& report,
                            const v1::CpuClaims& cpu);

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_TD_REPORT_H_
