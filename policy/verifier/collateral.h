// Collateral: the Endorsements and Reference Values that the verifier's side
// keeps, beside those that come with the Evidence.
//
// They prove themselves: each is verified again, whoever kept it. Where an
// item of the same role and subject is kept, it is used and the sender's is
// not: what an administrator imported moves only forward, and a sender could
// offer an older one that is still in force.
// Thread-safe: immutable once made.
#ifndef POLICY_VERIFIER_COLLATERAL_H_
#define POLICY_VERIFIER_COLLATERAL_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kms::policy {

struct CollateralItem {
  // As evidence.proto names it: cert_chain, crl, tcb_info, qe_identity,
  // rim_driver, rim_vbios, and the two issuer chains.
  std::string role;
  // What it speaks of; one item for each role and subject.
  //   tcb_info     "tdx/" or "sgx/" and the FMSPC, lowercase hex
  //   qe_identity  "TD_QE" or "QE"
  //   tcb_info_issuer_chain, qe_identity_issuer_chain  that of their item
  //   rim_driver, rim_vbios  the manifest's id
  //   crl          crls.h, CrlSubject: of the key that signs it
  //   cert_chain   hex of the SHA-256 of the file
  std::string subject;
  std::string content;
  std::string digest;  // SHA-256 of the content, 32 bytes.
};

class Collateral {
 public:
  Collateral() = default;
  // Of two items of one role and subject the last one counts.
  explicit Collateral(std::vector<CollateralItem> items);
  Collateral(const Collateral&) = delete;
  Collateral& operator=(const Collateral&) = delete;

  // Null if there is none. Lives as long as this.
  const CollateralItem* Find(absl::string_view role,
                             absl::string_view subject) const;
  absl::Span<const CollateralItem* const> OfRole(absl::string_view role) const;

  // 32 bytes over roles, subjects and digests: equal sets give equal digests.
  const std::string& digest() const { return digest_; }

 private:
  std::map<std::pair<std::string, std::string>, CollateralItem> items_;
  std::map<std::string, std::vector<const CollateralItem*>> by_role_;
  std::string digest_;
};

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_COLLATERAL_H_
