// Trust anchors: the public keys that chains may end in, each for one type of
// Evidence and one use only, pinned by the SHA-256 of its
// SubjectPublicKeyInfo.
// Thread-safe: immutable once made.
// Holds no default beyond BuiltIn(), which a caller must ask for.
#ifndef POLICY_VERIFIER_ANCHORS_H_
#define POLICY_VERIFIER_ANCHORS_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// Who signs devices must not be able to say what good firmware is.
enum class AnchorUse {
  kEvidence,         // Chains of attesters, and their vendor's collateral.
  kReferenceValues,  // Chains of those who sign reference values (NVIDIA RIMs).
};

struct TrustAnchor {
  std::string name;  // Shown in Claims: "amd-ark-milan", 1 to 64 characters.
  v1::EvidenceType type = v1::EVIDENCE_TYPE_UNSPECIFIED;
  AnchorUse use = AnchorUse::kEvidence;
  std::string spki_sha256;  // 32 bytes.
  // Where only the pin is known, the Evidence must bring the certificate.
  std::optional<x509::Certificate> certificate;
  // The key itself, where a certificate or the key was given. Enough for
  // Evidence that brings no certificate of its signer: a TPM's attestation
  // key, an Arm CCA platform's.
  std::optional<crypto::PublicKey> key;
  bool simulated = false;  // A simulator's root: shown in Claims.
};

// An anchor of `certificate`'s key.
TrustAnchor AnchorFromCertificate(std::string name, v1::EvidenceType type,
                                  const x509::Certificate& certificate,
                                  bool simulated);

// An anchor of a key that has no certificate.
TrustAnchor AnchorFromKey(std::string name, v1::EvidenceType type,
                          const crypto::PublicKey& key, bool simulated);

class TrustAnchors {
 public:
  // kInvalidArgument: an empty or overlong name, no type, a pin that is not 32
  // bytes or not the certificate's or the key's, or two anchors of one type
  // with the same name, or of one type and use with the same key (a
  // simulator's could otherwise pass for a vendor's).
  static absl::StatusOr<TrustAnchors> Create(std::vector<TrustAnchor> anchors);

  // The vendors' roots: AMD, Intel, NVIDIA, AWS, Google's and Azure's vTPMs.
  static const std::vector<TrustAnchor>& BuiltIn();

  // The anchors of one type and use; no other may vouch for Evidence of it.
  struct OfType {
    std::vector<TrustAnchor> anchors;
    std::vector<x509::Anchor> x509;  // The same, in the same order.
    std::string digest;              // 32 bytes, over all of the above.
  };
  const OfType& For(v1::EvidenceType type,
                    AnchorUse use = AnchorUse::kEvidence) const;

 private:
  TrustAnchors() = default;
  std::map<std::pair<int, AnchorUse>, OfType> by_type_;
};

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_ANCHORS_H_
