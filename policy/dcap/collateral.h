// Intel's signed collateral: parses it and says who signed it. For verifying
// quotes, and for importing and checking collateral by itself.
// Sources: Intel PCS API v4; RFC 5280.
// Thread-safe: free functions over values. Monotone evaluation data numbers are
// kept by whoever stores collateral.
#ifndef POLICY_DCAP_COLLATERAL_H_
#define POLICY_DCAP_COLLATERAL_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/crl.h"
#include "policy/dcap/qe_identity.h"
#include "policy/dcap/tcb_info.h"

namespace kms::dcap {

// Intel signs certificates and CRLs with this alone.
inline constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha256};

// A file of certificates: DER or PEM, percent-encoded PEM as it travels in HTTP
// headers, or PEM with the zero byte that quoting enclaves end it with.
// ENDORSEMENT_MALFORMED otherwise.
absl::StatusOr<std::vector<x509::Certificate>> ParseChainFile(BytesView file);

// A CRL: DER, PEM, or hex of the DER as Intel's cache servers answer.
// ENDORSEMENT_MALFORMED or CRL_INVALID otherwise.
absl::StatusOr<x509::Crl> ParseCrlFile(BytesView file);

// What a piece of signed JSON is verified against. References outlive the call.
struct SignerInputs {
  BytesView issuer_chain;  // TCB signing certificate, and the root's.
  absl::Span<const x509::Anchor> anchors;
  // Exactly the root CA's CRL; more than that is CRL_INVALID, and without it
  // nothing verifies unless `crl_required` is false.
  absl::Span<const x509::Crl> root_ca_crl;
  absl::Time now;
  // False for collateral that is looked at by itself: no verdict about a
  // platform stands on that.
  bool crl_required = true;
};

// A parsed T whose signature leads to an anchor, in force at `now`. Only
// VerifyTcbInfo and VerifyQeIdentity make one.
template <typename T>
class Verified {
 public:
  const T& value() const { return value_; }
  size_t anchor() const { return anchor_; }  // Index into the anchors given.
  // When it and all it stands on is in force, both included.
  absl::Time valid_from() const { return valid_from_; }
  absl::Time valid_until() const { return valid_until_; }

 private:
  friend absl::StatusOr<Verified<TcbInfo>> VerifyTcbInfo(
      BytesView json, const SignerInputs& inputs);
  friend absl::StatusOr<Verified<QeIdentity>> VerifyQeIdentity(
      BytesView json, const SignerInputs& inputs);

  Verified(T value, const x509::VerifiedChain& signer);

  T value_;
  size_t anchor_;
  absl::Time valid_from_, valid_until_;
};

// `json`: {"tcbInfo": ..., "signature": hex of r and s}, as Intel serves it;
// the signature covers the exact bytes of the value.
//   ENDORSEMENT_MALFORMED  ill-formed, or as ParseTcbInfo
//   ENDORSEMENT_MISSING    a certificate or the root CA's CRL is absent
//   ENDORSEMENT_MISMATCH   the signer is not Intel's TCB signer
//   CHAIN_UNTRUSTED        also: not signed by that signer
//   COLLATERAL_EXPIRED     before issueDate or past nextUpdate
//   CERTIFICATE_NOT_YET_VALID, CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED,
//   CRL_INVALID, CRL_EXPIRED
absl::StatusOr<Verified<TcbInfo>> VerifyTcbInfo(BytesView json,
                                                const SignerInputs& inputs);

// The same for {"enclaveIdentity": ..., "signature": ...}.
absl::StatusOr<Verified<QeIdentity>> VerifyQeIdentity(
    BytesView json, const SignerInputs& inputs);

// The same two without any proof, to show what a file says.
absl::StatusOr<TcbInfo> ParseTcbInfoFile(BytesView json);
absl::StatusOr<QeIdentity> ParseQeIdentityFile(BytesView json);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_COLLATERAL_H_
