// Who says it: ties a realm token to the key that the platform vouches for,
// and the platform token to a platform key (CPAK) that is a trust anchor.
// Source: draft-ffm-rats-cca-token, "CCA Attestation Token Verification";
// Arm DEN0137 (RMM specification), A7.2.3, for the binding.
// Thread-safe: free functions over values. Judges neither debug nor
// measurements nor the challenge: those are the policy's and the caller's.
#ifndef POLICY_CCA_VERIFY_H_
#define POLICY_CCA_VERIFY_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/crypto/public_key.h"
#include "policy/cbor/cose.h"
#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/verifier/anchors.h"

namespace kms::cca {

// The state of a platform's life, by the high byte of its lifecycle claim.
// Empty if the specification knows none by it.
absl::string_view LifecycleName(uint16_t lifecycle);

// Firmware of a platform in this state can be debugged, so nothing it says
// can be relied on.
bool LifecycleDebug(uint16_t lifecycle);

// The instance id of a platform whose maker derives it from the CPAK, as
// Arm's reference firmware does: 0x01 and the SHA-256 of the point. 33 bytes.
std::string InstanceIdOf(const crypto::PublicKey& cpak);

// Both tokens, verified and bound. Only VerifyToken makes one.
class VerifiedToken {
 public:
  const UnverifiedPlatform& platform() const { return platform_; }
  const UnverifiedRealm& realm() const { return realm_; }

 private:
  friend absl::StatusOr<VerifiedToken> VerifyToken(
      UnverifiedPlatform platform, const cbor::Sign1& realm_envelope,
      UnverifiedRealm realm);

  VerifiedToken(UnverifiedPlatform platform, UnverifiedRealm realm)
      : platform_(std::move(platform)), realm_(std::move(realm)) {}

  UnverifiedPlatform platform_;
  UnverifiedRealm realm_;
};

// Which of `anchors` signed the platform token. The one that the instance id
// is derived from if there is one, else of the first kPlatformKeyTriesMax on
// the right curve the one whose signature it is.
//   SIGNATURE_INVALID  the instance id is that of an anchor, and the signature
//                      is not
//   CHAIN_UNTRUSTED    no anchor signed it
absl::StatusOr<size_t> FindPlatformKey(
    const cbor::Sign1& envelope, const UnverifiedPlatform& platform,
    absl::Span<const policy::TrustAnchor> anchors);

// REQUIRES: FindPlatformKey found the signer of `platform`. `realm` is the
// payload of its envelope.
//   EVIDENCE_UNSUPPORTED   a lifecycle in which no platform guards realms
//   EVIDENCE_INCONSISTENT  the platform does not vouch for the realm's key
//   SIGNATURE_INVALID      of the realm token
//   those of ReadRealmKey
absl::StatusOr<VerifiedToken> VerifyToken(UnverifiedPlatform platform,
                                          const cbor::Sign1& realm_envelope,
                                          UnverifiedRealm realm);

}  // namespace kms::cca

#endif  // POLICY_CCA_VERIFY_H_
