// Trust anchors: the public keys that Evidence chains may end in, each for one
// type of Evidence only, pinned by the SHA-256 of its SubjectPublicKeyInfo.
// Thread-safe: immutable once made.
// Holds no default beyond BuiltIn(), which a caller must ask for.
#ifndef POLICY_VERIFIER_ANCHORS_H_
#define POLICY_VERIFIER_ANCHORS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

struct TrustAnchor {
  std::string name;  // Shown in Claims: "amd-ark-milan", 1 to 64 characters.
  v1::EvidenceType type = v1::EVIDENCE_TYPE_UNSPECIFIED;
  std::string spki_sha256;  // 32 bytes.
  // Where only the pin is known, the Evidence must bring the certificate.
  std::optional<x509::Certificate> certificate;
  bool simulated = false;  // A simulator's root: shown in Claims.
};

// An anchor of `certificate`'s key.
TrustAnchor AnchorFromCertificate(std::string name, v1::EvidenceType type,
                                  const x509::Certificate& certificate,
                                  bool simulated);

class TrustAnchors {
 public:
  // kInvalidArgument: an empty or overlong name, no type, a pin that is not 32
  // bytes or not the certificate's, or two anchors of one type with the same
  // name or key (a simulator's could otherwise pass for a vendor's).
  static absl::StatusOr<TrustAnchors> Create(std::vector<TrustAnchor> anchors);

  // The vendors' roots: AMD's ARKs for Milan, Genoa and Turin.
  static const std::vector<TrustAnchor>& BuiltIn();

  // The anchors of one type; no other may vouch for Evidence of it.
  struct OfType {
    std::vector<TrustAnchor> anchors;
    std::vector<x509::Anchor> x509;  // The same, in the same order.
    std::string digest;              // 32 bytes, over all of the above.
  };
  const OfType& For(v1::EvidenceType type) const;

 private:
  TrustAnchors() = default;
  std::map<int, OfType> by_type_;
};

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_ANCHORS_H_
