// Who says it, on which platform: ties a quote to its quoting enclave, that to
// the platform's PCK, and all of it to Intel's collateral.
// Sources: Intel SGX and TDX DCAP quoting library APIs, "Quote verification";
// Intel PCS API v4, "Determining the TCB level".
// Thread-safe: free functions over values. Judges neither debug nor any rating
// short of Revoked nor report data: those are the policy's and the caller's.
#ifndef POLICY_DCAP_VERIFY_H_
#define POLICY_DCAP_VERIFY_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/dcap/platform.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/rating.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::dcap {

// A quote whose signatures lead to an anchor, from a platform that Intel's
// collateral rates. Only VerifyQuote makes one.
class VerifiedQuote {
 public:
  const UnverifiedQuote& quote() const { return quote_; }
  const Platform& platform() const { return *platform_; }
  const TcbRating& rating() const { return rating_; }

 private:
  friend absl::StatusOr<VerifiedQuote> VerifyQuote(
      BytesView quote, TeeKind kind, const v1::Evidence& evidence,
      const policy::VerifyInputs& inputs);

  VerifiedQuote(UnverifiedQuote quote, std::shared_ptr<const Platform> platform,
                TcbRating rating)
      : quote_(std::move(quote)),
        platform_(std::move(platform)),
        rating_(std::move(rating)) {}

  UnverifiedQuote quote_;
  std::shared_ptr<const Platform> platform_;
  TcbRating rating_;
};

// `quote`: the file with the quote, in whatever role it came. `evidence` holds
// the collateral, in the roles tcb_info, qe_identity, their issuer chains,
// pck_crl, pck_crl_issuer_chain and root_ca_crl; its other files are not read.
// Chains must end in an anchor of v1::TDX or v1::SGX, by `kind`.
//   those of ParseQuote
//   EVIDENCE_MALFORMED        a quote of the other kind
//   ENDORSEMENT_MISSING       collateral is absent
//   ENDORSEMENT_MALFORMED     a certificate or collateral does not parse
//   ENDORSEMENT_MISMATCH      collateral for another platform, TEE or role
//   CHAIN_UNTRUSTED           also: collateral that its signer did not sign
//   COLLATERAL_EXPIRED        before its issue date, or past its next update
//   CERTIFICATE_NOT_YET_VALID, CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED,
//   CRL_INVALID, CRL_EXPIRED
//   SIGNATURE_INVALID         the quote, or its quoting enclave's report
//   EVIDENCE_INCONSISTENT     the quoting enclave does not name the quote's key
//   MEASUREMENT_MISMATCH      the quoting enclave or TDX module is not Intel's
//   TCB_UNSUPPORTED, TCB_REVOKED
absl::StatusOr<VerifiedQuote> VerifyQuote(BytesView quote, TeeKind kind,
                                          const v1::Evidence& evidence,
                                          const policy::VerifyInputs& inputs);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_VERIFY_H_
