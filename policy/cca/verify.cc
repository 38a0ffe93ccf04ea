#include "policy/cca/verify.h"

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/cca/hash_name.h"
#include "policy/cca/limits.h"
#include "policy/cca/realm_key.h"

namespace kms::cca {
namespace {

// The high byte of the lifecycle claim; the low one is the implementation's.
enum : uint8_t {
  kUnknown = 0x00,
  kAssemblyAndTest = 0x10,
  kProvisioning = 0x20,
  kSecured = 0x30,
  kNonRotDebug = 0x40,
  kRecoverableRotDebug = 0x50,
  kDecommissioned = 0x60,
};

uint8_t StateOf(uint16_t lifecycle) {
  return static_cast<uint8_t>(lifecycle >> 8);
}

// A secured platform is what verifies; one whose debug is recoverable shows,
// "temporarily unsuitable". In the others keys may be open to anyone.
absl::Status CheckLifecycle(uint16_t lifecycle) {
  if (LifecycleName(lifecycle).empty()) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "cca platform token: a lifecycle that is none");
  }
  if (StateOf(lifecycle) == kSecured || LifecycleDebug(lifecycle)) {
    return absl::OkStatus();
  }
  return Refuse(
      v1::EVIDENCE_UNSUPPORTED,
      absl::StrCat("cca platform token: lifecycle ",
                   std::string(LifecycleName(lifecycle)), ", want secured"));
}

// Before realm tokens had profiles, the platform's spoke of both, and the key
// was a bare point.
RealmKeyForm FormOf(const UnverifiedPlatform& platform,
                    const UnverifiedRealm& realm) {
  return realm.profile.empty() && platform.profile == kPlatformProfileLegacy
             ? RealmKeyForm::kPoint
             : RealmKeyForm::kCoseKey;
}

}  // namespace

absl::string_view LifecycleName(uint16_t lifecycle) {
  switch (StateOf(lifecycle)) {
    case kUnknown:
      return "unknown";
    case kAssemblyAndTest:
      return "assembly-and-test";
    case kProvisioning:
      return "cca-platform-rot-provisioning";
    case kSecured:
      return "secured";
    case kNonRotDebug:
      return "non-cca-platform-rot-debug";
    case kRecoverableRotDebug:
      return "recoverable-cca-platform-rot-debug";
    case kDecommissioned:
      return "decommissioned";
    default:
      return "";
  }
}

bool LifecycleDebug(uint16_t lifecycle) {
  return StateOf(lifecycle) == kNonRotDebug ||
         StateOf(lifecycle) == kRecoverableRotDebug;
}

std::string InstanceIdOf(const crypto::PublicKey& cpak) {
  return absl::StrCat("\x01", crypto::Sha256(cpak.key_bytes()));
}

absl::StatusOr<size_t> FindPlatformKey(
    const cbor::Sign1& envelope, const UnverifiedPlatform& platform,
    absl::Span<const policy::TrustAnchor> anchors) {
  for (size_t i = 0; i < anchors.size(); ++i) {
    if (!anchors[i].key.has_value() ||
        InstanceIdOf(*anchors[i].key) != platform.instance_id) {
      continue;
    }
    if (cbor::VerifySign1(envelope, *anchors[i].key).ok()) return i;
    return Refuse(v1::SIGNATURE_INVALID,
                  "cca platform token: not signed by the platform it names");
  }
  const crypto::KeyKind kind = envelope.algorithm == cbor::Algorithm::kEs256
                                   ? crypto::KeyKind::kP256
                                   : crypto::KeyKind::kP384;
  size_t tries_left = kPlatformKeyTriesMax;
  for (size_t i = 0; i < anchors.size() && tries_left > 0; ++i) {
    if (!anchors[i].key.has_value() || anchors[i].key->kind() != kind) continue;
    --tries_left;
    if (cbor::VerifySign1(envelope, *anchors[i].key).ok()) return i;
  }
  return Refuse(v1::CHAIN_UNTRUSTED,
                "cca platform token: not signed by a configured platform key");
}

absl::StatusOr<VerifiedToken> VerifyToken(UnverifiedPlatform platform,
                                          const cbor::Sign1& realm_envelope,
                                          UnverifiedRealm realm) {
  KMS_RETURN_IF_ERROR(CheckLifecycle(platform.lifecycle));
  const auto hash = HashNamed(realm.public_key_hash_algorithm);
  if (!hash.has_value() ||  // ParseRealm has refused it.
      crypto::Digest(*hash, AsBytes(realm.public_key)) != platform.challenge) {
    return Refuse(v1::EVIDENCE_INCONSISTENT,
                  "cca token: the platform vouches for another realm key");
  }
  KMS_ASSIGN_OR_RETURN(
      const crypto::PublicKey key,
      ReadRealmKey(AsBytes(realm.public_key), FormOf(platform, realm),
                   realm_envelope.algorithm));
  if (!cbor::VerifySign1(realm_envelope, key).ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "cca realm token: not signed by the key in it");
  }
  return VerifiedToken(std::move(platform), std::move(realm));
}

}  // namespace kms::cca
