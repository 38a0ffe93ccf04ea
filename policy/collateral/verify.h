// Collateral by itself: who signed it, what it speaks of, how new it is. For
// importing it into the collateral store, and for checking it offline.
//
// What is imported is verified here and again wherever a verdict stands on it:
// the store vouches for nothing.
// Sources: RFC 5280 (certificates, CRLs); policy/dcap (Intel's signed JSON);
// policy/nvidia (manifests).
// Thread-safe: free functions over values. Pure: no I/O, no clock.
#ifndef POLICY_COLLATERAL_VERIFY_H_
#define POLICY_COLLATERAL_VERIFY_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "policy/verifier/anchors.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/evidence_verifier.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

enum class CollateralKind { kRim, kTcbInfo, kQeIdentity, kCrl, kCertChain };

// "rim", "tcb-info", "qe-identity", "crl", "cert-chain"; nothing for another
// name.
std::optional<CollateralKind> CollateralKindNamed(absl::string_view name);
absl::Span<const absl::string_view> CollateralKindNames();

// What an item says of itself.
struct CollateralFacts {
  CollateralItem item;
  // For people: an issuer's name, a product. Printable ASCII, at most 256.
  std::string title;
  // Its own counter, big-endian without leading zeros; empty: it has none.
  std::string number;
  absl::Time issued = absl::InfinitePast();  // InfinitePast: does not say.
  absl::Time next_update = absl::InfiniteFuture();  // The same for the future.
  v1::EvidenceType type = v1::EVIDENCE_TYPE_UNSPECIFIED;  // Its anchor's.
  std::string anchor;
  bool simulated = false;  // The anchor is a simulator's.
};

// An item that leads to an anchor and is in force. Only VerifyCollateral makes
// one.
class VerifiedCollateral {
 public:
  const CollateralFacts& facts() const { return facts_; }

 private:
  friend absl::StatusOr<std::vector<VerifiedCollateral>> VerifyCollateral(
      CollateralKind kind, absl::Span<const std::string> files,
      const VerifyInputs& inputs);
  explicit VerifiedCollateral(CollateralFacts facts)
      : facts_(std::move(facts)) {}

  CollateralFacts facts_;
};

// The items of `files`, in the order in which they are to be stored. All of
// them verify, or none is given.
//   rim          one or several manifests
//   tcb-info     one TCB info and its issuer chain, and CRLs if any
//   qe-identity  one QE identity and its issuer chain, and CRLs if any
//   crl          CRLs, and certificates that lead from their issuers to an
//                anchor
//   cert-chain   certificates: each must lead to an anchor
// Anchors of every type and use in `inputs` count; its stored certificates and
// CRLs are used beside those given.
//   REQUEST_MALFORMED, REQUEST_TOO_LARGE  files of another kind, none of this
//       one, or over a bound
//   ENDORSEMENT_*, CHAIN_UNTRUSTED, CERTIFICATE_*, CRL_*, SIGNATURE_INVALID
//       as the parsers and x509::VerifyChain say
absl::StatusOr<std::vector<VerifiedCollateral>> VerifyCollateral(
    CollateralKind kind, absl::Span<const std::string> files,
    const VerifyInputs& inputs);

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_VERIFY_H_
