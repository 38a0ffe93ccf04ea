// Who says it: ties a quote to the attestation key that signed it, and the
// values of PCRs to the quote. Source: TPM 2.0 Library part 1, "Attestation";
// part 3, TPM2_Quote.
// Thread-safe: values and free functions.
// Does not say whose key it is (ak_trust.h), nor whether the nonce is the
// caller's or a PCR what it should be.
#ifndef POLICY_TPM_QUOTE_H_
#define POLICY_TPM_QUOTE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/tpm/attest.h"
#include "policy/tpm/attestation_key.h"
#include "policy/tpm/signature.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::tpm {

// A quote that its attestation key signed, and the values that it covers. Only
// VerifyQuote makes one.
class VerifiedQuote {
 public:
  const UnverifiedQuote& quote() const { return quote_; }
  const AttestationKey& key() const { return key_; }
  // Exactly those that the quote selects, by index.
  const std::map<uint32_t, std::string>& pcrs() const { return pcrs_; }

 private:
  friend absl::StatusOr<VerifiedQuote> VerifyQuote(const v1::Evidence& evidence,
                                                   AttestationKey key);
  VerifiedQuote(UnverifiedQuote quote, AttestationKey key,
                std::map<uint32_t, std::string> pcrs)
      : quote_(std::move(quote)),
        key_(std::move(key)),
        pcrs_(std::move(pcrs)) {}

  UnverifiedQuote quote_;
  AttestationKey key_;
  std::map<uint32_t, std::string> pcrs_;
};

// Reads the files of roles quote_attest, quote_signature and pcrs, and nonce
// if there is one.
//   EVIDENCE_MALFORMED, EVIDENCE_UNSUPPORTED  a file is absent, does not
//                          parse, or uses what we do not verify with
//   EVIDENCE_INCONSISTENT  the signature's scheme is not the key's, the digest
//                          is not of the signature's hash, or the values are
//                          not those that were quoted
//   SIGNATURE_INVALID      the quote is not signed by `key`
//   EVIDENCE_NOT_BOUND     the nonce's file is not what was quoted
absl::StatusOr<VerifiedQuote> VerifyQuote(const v1::Evidence& evidence,
                                          AttestationKey key);

}  // namespace kms::tpm

#endif  // POLICY_TPM_QUOTE_H_
