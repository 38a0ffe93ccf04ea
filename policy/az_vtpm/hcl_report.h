// What the paravisor of an Azure confidential VM leaves in its vTPM (NV index
// 01400001): a hardware report, and the data that the report vouches for.
// Sources: Microsoft, "Guest attestation for confidential VMs", appendix;
// microsoft/openvmm, openhcl_attestation_protocol, IgvmAttestRequest. All
// integers are little-endian.
//
//   000 'HCLA' | 004 version u32, 1 or 2 | 008 size u32, of all but padding
//   00c request type u32 = 2 | 010 status u32 = 0 | 014 zero 12
//   020 hardware report: SNP 1184, or TDREPORT 1024 and zero 160
//   4c0 size u32, from here | 4c4 version u32 = 1 | 4c8 report type u32, SNP 2,
//   TDX 4 | 4cc hash type u32 = 1, SHA-256 | 4d0 runtime data's size u32
//   4d4 runtime data (runtime_data.h) | zeros to the end of the NV index
//
// Only the hardware report is signed, and only the runtime data is hashed into
// it; the rest is checked because nothing else would be.
// An UnverifiedHclReport proves nothing.
// Thread-safe: values and free functions.
#ifndef POLICY_AZ_VTPM_HCL_REPORT_H_
#define POLICY_AZ_VTPM_HCL_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/az_vtpm/limits.h"

namespace kms::az_vtpm {

enum class Hardware : uint32_t { kSnp = 2, kTdx = 4 };

inline constexpr size_t kSnpReportBytes = 1184;
inline constexpr size_t kTdReportBytes = 1024;

struct UnverifiedHclReport {
  uint32_t version = 2;
  Hardware hardware = Hardware::kSnp;
  std::string hardware_report;  // kSnpReportBytes or kTdReportBytes.
  std::string runtime_data;
  size_t padding = 0;  // Zeros after it.
};

//   EVIDENCE_MALFORMED    lengths, signature, a status, or bytes set that must
//                         be zero
//   EVIDENCE_UNSUPPORTED  another version, request, hash or kind of report
absl::StatusOr<UnverifiedHclReport> ParseHclReport(BytesView bytes);

// The inverse, byte for byte.
std::string SerializeHclReport(const UnverifiedHclReport& report);

}  // namespace kms::az_vtpm

#endif  // POLICY_AZ_VTPM_HCL_REPORT_H_
