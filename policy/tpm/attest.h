// What a TPM's quote says. Source: TPM 2.0 Library part 2, TPMS_ATTEST and
// TPMS_QUOTE_INFO. All integers are big-endian.
//
//   magic u32 = ff 'TCG' | type u16 = 8018 | qualifiedSigner TPM2B_NAME
//   extraData TPM2B_DATA | clock u64 | resetCount u32 | restartCount u32
//   safe u8 | firmwareVersion u64
//   pcrSelect: count u32, count times (hash u16, size u8 = 3, bits 3)
//   pcrDigest TPM2B_DIGEST
//
// Only the selection of one SHA-2 bank is read: a digest over several banks
// says less about each, and SHA-1 says nothing.
// An UnverifiedQuote proves nothing; quote.h turns it into one that does.
// Thread-safe: values and free functions.
#ifndef POLICY_TPM_ATTEST_H_
#define POLICY_TPM_ATTEST_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hash.h"
#include "policy/tpm/limits.h"

namespace kms::tpm {

struct UnverifiedQuote {
  std::string qualified_signer;  // Algorithm u16 and digest.
  std::string extra_data;        // At most kExtraDataBytesMax.
  uint64_t clock_ms = 0;
  uint32_t reset_count = 0;
  uint32_t restart_count = 0;
  bool clock_safe = false;
  uint64_t firmware_version = 0;
  crypto::Hash bank = crypto::Hash::kSha256;  // Or kSha384.
  uint32_t selected = 0;   // Bit i: PCR i. At least one of kPcrCount.
  std::string pcr_digest;  // Of the signing key's hash, not the bank's.

  std::string signed_bytes;  // All of it, as received.
};

// `bytes` is exactly one TPMS_ATTEST.
//   EVIDENCE_MALFORMED    not made inside a TPM (magic), lengths, a flag that
//                         is neither 0 nor 1, no PCR selected
//   EVIDENCE_UNSUPPORTED  another type than a quote; a bank that is neither
//                         SHA-256 nor SHA-384, several banks, or another
//                         number of PCRs than kPcrCount; a name of a hash
//                         that is not SHA-2
absl::StatusOr<UnverifiedQuote> ParseAttest(BytesView bytes);

// The inverse, byte for byte; `signed_bytes` is not read.
std::string SerializeAttest(const UnverifiedQuote& quote);

}  // namespace kms::tpm

#endif  // POLICY_TPM_ATTEST_H_
