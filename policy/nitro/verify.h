// Who says it: ties a document to the enclave's certificate, which AWS's
// hierarchy vouches for. Source: AWS, "Nitro Enclaves Attestation Process",
// section 3.2.3.
// Thread-safe: free functions over values. Judges neither debug mode nor the
// nonce: those are the policy's and the caller's.
#ifndef POLICY_NITRO_VERIFY_H_
#define POLICY_NITRO_VERIFY_H_

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/crypto/x509/chain.h"
#include "policy/cbor/cose.h"
#include "policy/nitro/document.h"

namespace kms::nitro {

// A document whose signature verified under a key of a verified chain that is
// its own, and that agrees with that key's certificate. Only VerifyDocument
// makes one.
class VerifiedDocument {
 public:
  const UnverifiedDocument& document() const { return document_; }

 private:
  friend absl::StatusOr<VerifiedDocument> VerifyDocument(
      const cbor::Sign1& envelope, UnverifiedDocument document,
      const x509::VerifiedChain& chain, absl::Time now);

  explicit VerifiedDocument(UnverifiedDocument document)
      : document_(std::move(document)) {}

  UnverifiedDocument document_;
};

// `document` is the envelope's payload; `chain` is that of its certificate, in
// force at `now`, and ends in an anchor for Nitro.
//   ENDORSEMENT_MISMATCH   cabundle is not the chain, root first; the
//                          certificate's key is not on P-384 or its name is
//                          another module's
//   SIGNATURE_INVALID
//   EVIDENCE_INCONSISTENT  made outside the certificate's validity, or later
//                          than kClockSkewMax after `now`
absl::StatusOr<VerifiedDocument> VerifyDocument(
    const cbor::Sign1& envelope, UnverifiedDocument document,
    const x509::VerifiedChain& chain, absl::Time now);

}  // namespace kms::nitro

#endif  // POLICY_NITRO_VERIFY_H_
