// The values of a TPM's PCRs that come beside a quote of them. The quote signs
// only their digest.
//
//   {"bank": "sha256", "pcrs": {"0": "<hex>", "7": "<hex>"}}
//
// Source of the digest: TPM 2.0 Library part 3, TPM2_Quote: the selected PCRs'
// values, one after the other by index, under the hash of the signature.
// Thread-safe: values and free functions.
#ifndef POLICY_TPM_PCRS_H_
#define POLICY_TPM_PCRS_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hash.h"
#include "policy/tpm/attest.h"

namespace kms::tpm {

struct UnverifiedPcrs {
  crypto::Hash bank = crypto::Hash::kSha256;  // Or kSha384.
  // By index, below kPcrCount; each HashSize(bank) bytes.
  std::map<uint32_t, std::string> values;
};

// EVIDENCE_MALFORMED if it is not as above, with an index that is no decimal
// number below kPcrCount or not its shortest form, or a value of another size;
// EVIDENCE_UNSUPPORTED for another bank.
absl::StatusOr<UnverifiedPcrs> ParsePcrs(BytesView json);

// The inverse in meaning; ends with a newline.
std::string SerializePcrs(const UnverifiedPcrs& pcrs);

// The values that `quote` selects, and no other. EVIDENCE_INCONSISTENT if one
// is absent or the bank is another.
absl::StatusOr<std::map<uint32_t, std::string>> SelectPcrs(
    const UnverifiedQuote& quote, const UnverifiedPcrs& pcrs);

// The digest over `values` in the order of their index.
std::string PcrDigest(crypto::Hash hash,
                      const std::map<uint32_t, std::string>& values);

}  // namespace kms::tpm

#endif  // POLICY_TPM_PCRS_H_
