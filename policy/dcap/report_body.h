// What a quote quotes: the report of an SGX enclave or of a TD. The quoting
// enclave speaks of itself in an SGX report, too.
// Sources: Intel SDM volume 3D, "REPORT"; Intel TDX DCAP quoting library API,
// "TD Quote Body"; Intel TDX module ABI, TDREPORT_STRUCT, ATTRIBUTES, XFAM.
// All integers are little-endian. Offsets in bytes:
//
//   SGX   000 cpu_svn 16 | 010 misc_select u32 | 014 cet_attributes u8
//         015 zero 11 | 020 isv_ext_prod_id 16 | 030 attributes u64
//         038 xfrm u64 | 040 mrenclave 32 | 060 zero 32 | 080 mrsigner 32
//         0a0 zero 32 | 0c0 config_id 64 | 100 isv_prod_id u16
//         102 isv_svn u16 | 104 config_svn u16 | 106 zero 42
//         130 isv_family_id 16 | 140 report_data 64
//   TD    000 tee_tcb_svn 16 | 010 mrseam 48 | 040 mrsignerseam 48
//         070 seam_attributes u64 | 078 td_attributes u64 | 080 xfam u64
//         088 mrtd 48 | 0b8 mrconfigid 48 | 0e8 mrowner 48
//         118 mrownerconfig 48 | 148 rtmr0..3 48 each | 208 report_data 64
//         1.5 only: 248 tee_tcb_svn_2 16 | 258 mrservicetd 48
//
// Everything reserved must be zero and every flag one that we know: a bit that
// means nothing here may mean "less protected" to newer hardware.
// Thread-safe: values and free functions. A parsed report proves nothing.
#ifndef POLICY_DCAP_REPORT_BODY_H_
#define POLICY_DCAP_REPORT_BODY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"

namespace kms::dcap {

inline constexpr size_t kSgxReportBytes = 384;
inline constexpr size_t kTdReport10Bytes = 584;
inline constexpr size_t kTdReport15Bytes = 648;

// SGX ATTRIBUTES.FLAGS.
inline constexpr uint64_t kSgxInit = 1ull << 0;
inline constexpr uint64_t kSgxDebug = 1ull << 1;
inline constexpr uint64_t kSgxMode64Bit = 1ull << 2;
inline constexpr uint64_t kSgxProvisionKey = 1ull << 4;
inline constexpr uint64_t kSgxEinittokenKey = 1ull << 5;
inline constexpr uint64_t kSgxCet = 1ull << 6;
inline constexpr uint64_t kSgxKss = 1ull << 7;
inline constexpr uint64_t kSgxAexNotify = 1ull << 10;
inline constexpr uint64_t kSgxKnown = kSgxInit | kSgxDebug | kSgxMode64Bit |
                                      kSgxProvisionKey | kSgxEinittokenKey |
                                      kSgxCet | kSgxKss | kSgxAexNotify;

// MISCSELECT: EXINFO and CPINFO.
inline constexpr uint32_t kSgxMiscKnown = 0x3;

// TD ATTRIBUTES. Bits 7:0 are "TD under debug": of these only DEBUG is known
// here, and a TD with another one is refused.
inline constexpr uint64_t kTdDebug = 1ull << 0;
inline constexpr uint64_t kTdLass = 1ull << 27;
inline constexpr uint64_t kTdSeptVeDisable = 1ull << 28;
inline constexpr uint64_t kTdMigratable = 1ull << 29;
inline constexpr uint64_t kTdPks = 1ull << 30;
inline constexpr uint64_t kTdKl = 1ull << 31;
inline constexpr uint64_t kTdTpa = 1ull << 62;
inline constexpr uint64_t kTdPerfmon = 1ull << 63;
inline constexpr uint64_t kTdKnown = kTdDebug | kTdLass | kTdSeptVeDisable |
                                     kTdMigratable | kTdPks | kTdKl | kTdTpa |
                                     kTdPerfmon;

// XFAM: x87 and SSE are always on; what a TD may have beside them is AVX,
// AVX-512, PT, PKRU, CET, user interrupts, LBR and AMX.
inline constexpr uint64_t kXfamFixed1 = 0x3;
inline constexpr uint64_t kXfamKnown = 0x6dbe7;

struct SgxReport {
  std::array<uint8_t, 16> cpu_svn{};
  uint32_t misc_select = 0;
  uint8_t cet_attributes = 0;
  std::array<uint8_t, 16> isv_ext_prod_id{};
  uint64_t attributes = 0;
  uint64_t xfrm = 0;
  std::array<uint8_t, 32> mrenclave{};
  std::array<uint8_t, 32> mrsigner{};
  std::array<uint8_t, 64> config_id{};
  uint16_t isv_prod_id = 0;
  uint16_t isv_svn = 0;
  uint16_t config_svn = 0;
  std::array<uint8_t, 16> isv_family_id{};
  std::array<uint8_t, 64> report_data{};
};

struct TdReport {
  std::array<uint8_t, 16> tee_tcb_svn{};
  std::array<uint8_t, 48> mrseam{};
  std::array<uint8_t, 48> mrsignerseam{};
  uint64_t seam_attributes = 0;
  uint64_t attributes = 0;
  uint64_t xfam = 0;
  std::array<uint8_t, 48> mrtd{};
  std::array<uint8_t, 48> mrconfigid{};
  std::array<uint8_t, 48> mrowner{};
  std::array<uint8_t, 48> mrownerconfig{};
  std::array<std::array<uint8_t, 48>, 4> rtmr{};
  std::array<uint8_t, 64> report_data{};
  bool is_15 = false;  // Has the two fields below.
  std::array<uint8_t, 16> tee_tcb_svn_2{};
  std::array<uint8_t, 48> mrservicetd{};
};

// Parses exactly kSgxReportBytes.
//   EVIDENCE_MALFORMED    another size, a reserved byte set, INIT clear
//   EVIDENCE_UNSUPPORTED  an attribute or MISCSELECT bit that we do not know
absl::StatusOr<SgxReport> ParseSgxReport(BytesView bytes);

// Parses exactly kTdReport10Bytes or kTdReport15Bytes.
//   EVIDENCE_MALFORMED    another size, x87 or SSE off in XFAM
//   EVIDENCE_UNSUPPORTED  a SEAM attribute, or a TD attribute or XFAM bit that
//                         we do not know
absl::StatusOr<TdReport> ParseTdReport(BytesView bytes);

// The inverse, byte for byte, for fuzz tests and simulators.
std::string SerializeSgxReport(const SgxReport& report);
std::string SerializeTdReport(const TdReport& report);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_REPORT_BODY_H_
