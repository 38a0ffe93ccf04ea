// Bounds on what a sender may offer with an SEV-SNP report.
#ifndef POLICY_SEV_SNP_LIMITS_H_
#define POLICY_SEV_SNP_LIMITS_H_

#include <cstddef>

namespace kms::sev_snp {

// AMD 56860, table "ATTESTATION_REPORT": all versions have one size.
inline constexpr size_t kReportBytes = 0x4a0;
inline constexpr size_t kSignedBytes = 0x2a0;  // The rest is the signature.

// A report and all that comes with it. Real ones are under 12 KiB; a host's
// whole certificate table is allowed for. What a sender adds beyond, we hash,
// parse and keep before we know who he is.
inline constexpr size_t kEvidenceBytesMax = 128 * 1024;

// The host allots a few pages to the table; real ones are under 8 KiB.
inline constexpr size_t kCertTableBytesMax = 64 * 1024;
inline constexpr size_t kCertTableEntriesMax = 16;

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_LIMITS_H_
