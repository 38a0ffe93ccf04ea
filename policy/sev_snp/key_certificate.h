// What the certificate of a report's signing key says: which product, chip and
// firmware AMD vouches for. Source: AMD 57230 (VCEK and VLEK certificates),
// section 3, the extensions under 1.3.6.1.4.1.3704.1.
// Thread-safe: free functions over values.
#ifndef POLICY_SEV_SNP_KEY_CERTIFICATE_H_
#define POLICY_SEV_SNP_KEY_CERTIFICATE_H_

#include <string>

#include "absl/status/statusor.h"
#include "kms/crypto/x509/chain.h"
#include "policy/sev_snp/report.h"
#include "policy/sev_snp/tcb.h"

namespace kms::sev_snp {

struct KeyCertificate {
  SigningKey kind = SigningKey::kVcek;
  Product product = Product::kMilan;
  Tcb tcb;             // What the key was derived for.
  std::string hwid;    // VCEK: 64 bytes; 8 on Turin. VLEK: empty.
  std::string csp_id;  // VLEK: the cloud provider it was issued to.
};

// Reads the leaf of `chain`, which is leaf, ASK or ASVK, ARK, and checks that
// the three belong together: the VCEK hierarchy and the VLEK hierarchy of a
// product share only the ARK.
//   ENDORSEMENT_MALFORMED  an extension is absent or of the wrong form
//   ENDORSEMENT_MISMATCH   kinds or products of the certificates disagree
absl::StatusOr<KeyCertificate> ReadKeyCertificate(
    const x509::VerifiedChain& chain);

// The part of ReadKeyCertificate that looks at the leaf alone: for showing
// what an unverified certificate claims.
absl::StatusOr<KeyCertificate> ReadKeyCertificateLeaf(
    const x509::Certificate& leaf);

}  // namespace kms::sev_snp

#endif  // POLICY_SEV_SNP_KEY_CERTIFICATE_H_
