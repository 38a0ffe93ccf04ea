// What an SEV-SNP report says. Source: AMD 56860 rev. 1.58, "MSG_REPORT_REQ"
// and the table "ATTESTATION_REPORT", versions 2 to 5. All integers are
// little-endian.
//
//   000 version u32 | 004 guest_svn u32 | 008 policy u64 | 010 family_id 16
//   020 image_id 16 | 030 vmpl u32 | 034 signature_algo u32 | 038 current_tcb
//   040 platform_info u64 | 048 flags u32 | 04c zero 4 | 050 report_data 64
//   090 measurement 48 | 0c0 host_data 32 | 0e0 id_key_digest 48
//   110 author_key_digest 48 | 140 report_id 32 | 160 report_id_ma 32
//   180 reported_tcb 8 | 188 cpuid 3 (from v3) | 18b zero 21 | 1a0 chip_id 64
//   1e0 committed_tcb 8 | 1e8 current build, minor, major, zero
//   1ec committed build, minor, major, zero | 1f0 launch_tcb 8
//   1f8 launch_mit_vector u64 (from v5) | 200 current_mit_vector u64 (from v5)
//   208 zero 152 | 2a0 signature: r 72, s 72, zero 368
//
// Everything reserved must be zero and every flag must be one we know: a bit
// that means nothing here may mean "less protected" to newer firmware.
// An UnverifiedReport proves nothing; verify.h turns it into one that does.
// Thread-safe: values and free functions.
#ifndef POLICY_SEV_SNP_REPORT_H_
#define POLICY_SEV_SNP_REPORT_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/sev_snp/limits.h"
#include "policy/sev_snp/tcb.h"

namespace kms::sev_snp {

// Guest policy bits, AMD 56860 "Guest Policy".
inline constexpr uint64_t kPolicySmt = 1ull << 16;
inline constexpr uint64_t kPolicyMustBeOne = 1ull << 17;
inline constexpr uint64_t kPolicyMigrateMa = 1ull << 18;
inline constexpr uint64_t kPolicyDebug = 1ull << 19;
inline constexpr uint64_t kPolicySingleSocket = 1ull << 20;
inline constexpr uint64_t kPolicyCxl = 1ull << 21;
inline constexpr uint64_t kPolicyMemAes256Xts = 1ull << 22;
inline constexpr uint64_t kPolicyRaplDisabled = 1ull << 23;
inline constexpr uint64_t kPolicyCiphertextHiding = 1ull << 24;
inline constexpr uint64_t kPolicyPageSwapDisabled = 1ull << 25;
inline constexpr uint64_t kPolicyKnown = (1ull << 26) - 1;

// PLATFORM_INFO bits.
inline constexpr uint64_t kPlatformSmt = 1ull << 0;
inline constexpr uint64_t kPlatformTsme = 1ull << 1;
inline constexpr uint64_t kPlatformEcc = 1ull << 2;
inline constexpr uint64_t kPlatformRaplOff = 1ull << 3;
inline constexpr uint64_t kPlatformCiphertextHiding = 1ull << 4;
inline constexpr uint64_t kPlatformAliasCheck = 1ull << 5;
inline constexpr uint64_t kPlatformIommuWriteSafe = 1ull << 6;
inline constexpr uint64_t kPlatformTio = 1ull << 7;
inline constexpr uint64_t kPlatformKnown = (1ull << 8) - 1;

// The u32 at 0x48.
inline constexpr uint32_t kFlagAuthorKeyEn = 1u << 0;
inline constexpr uint32_t kFlagMaskChipKey = 1u << 1;
inline constexpr int kFlagSigningKeyShift = 2;  // Three bits.

enum class SigningKey : uint8_t { kVcek = 0, kVlek = 1 };
inline constexpr uint32_t kSigningKeyNone = 7;  // An unsigned report.

struct FirmwareVersion {
  uint8_t major = 0;
  uint8_t minor = 0;
  uint8_t build = 0;

  friend auto operator<=>(const FirmwareVersion&,
                          const FirmwareVersion&) = default;
};

struct UnverifiedReport {
  uint32_t version = 0;
  uint32_t guest_svn = 0;
  uint64_t policy = 0;
  std::array<uint8_t, 16> family_id{};
  std::array<uint8_t, 16> image_id{};
  uint32_t vmpl = 0;
  RawTcb current_tcb{};
  uint64_t platform_info = 0;
  bool author_key_en = false;
  SigningKey signing_key = SigningKey::kVcek;
  std::array<uint8_t, 64> report_data{};
  std::array<uint8_t, 48> measurement{};
  std::array<uint8_t, 32> host_data{};
  std::array<uint8_t, 48> id_key_digest{};
  std::array<uint8_t, 48> author_key_digest{};
  std::array<uint8_t, 32> report_id{};
  std::array<uint8_t, 32> report_id_ma{};
  RawTcb reported_tcb{};
  std::array<uint8_t, 3> cpuid{};  // Family, model, stepping; zero in v2.
  std::array<uint8_t, 64> chip_id{};
  RawTcb committed_tcb{};
  FirmwareVersion current_firmware;
  FirmwareVersion committed_firmware;
  RawTcb launch_tcb{};
  uint64_t launch_mit_vector = 0;
  uint64_t current_mit_vector = 0;
  std::array<uint8_t, 48> r{};  // Big-endian.
  std::array<uint8_t, 48> s{};

  std::string signed_bytes;  // The first kSignedBytes, as received.
};

// Parses exactly kReportBytes.
//   EVIDENCE_MALFORMED    another size, a reserved byte or field set, policy
//                         bit 17 clear, an impossible VMPL
//   EVIDENCE_UNSUPPORTED  version, signature algorithm, signing key or a
//                         policy or platform bit that we do not know
//   EVIDENCE_UNSIGNED     masked chip key, signing key "none", zero signature
absl::StatusOr<UnverifiedReport> ParseReport(BytesView bytes);

// The inverse, byte for byte: the fuzz test and simulators re-encode with it.
// Covers what ParseReport accepts; `signed_bytes` is not read.
std::string SerializeReport(const UnverifiedReport& report);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_REPORT_H_
