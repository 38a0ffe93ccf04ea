// A simulated Arm CCA platform with one realm: keys of its own, and tokens in
// Arm's exact formats. What it signs verifies only where its platform key is
// configured as a simulator's anchor, and shows in Claims as simulated.
// Sources: Arm DEN0137 (RMM specification), A7.2.3; RFC 9052.
// Thread-compatible. For tests; no server links it.
#ifndef TOOLS_SIMTEE_CCA_H_
#define TOOLS_SIMTEE_CCA_H_

#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/signing_key.h"
#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

class SimulatedCca {
 public:
  // `curve`: of the platform key; the realm's is on P-384.
  static SimulatedCca Create(crypto::Curve curve = crypto::Curve::kP384);

  // What both tokens say, by the profiles of RMM 1.0. `challenge`: 64 bytes.
  cca::UnverifiedPlatform MakePlatform() const;
  cca::UnverifiedRealm MakeRealm(absl::string_view challenge) const;

  // The signed tokens around claims sets, and the collection of RMM 1.0
  // around both.
  std::string SignPlatform(absl::string_view claims) const;
  std::string SignRealm(absl::string_view claims) const;
  static std::string Collect(absl::string_view platform,
                             absl::string_view realm);

  v1::Evidence Attest(absl::string_view challenge) const;
  // The same around a given file.
  static v1::Evidence Wrap(const std::string& file);

  policy::TrustAnchor Anchor() const;  // "simulated-cca-cpak".

  const crypto::EcdsaSigningKey& platform_key() const { return platform_key_; }
  const crypto::EcdsaSigningKey& realm_key() const { return realm_key_; }

  // A tagged COSE_Sign1, by the algorithm that goes with the key's curve.
  static std::string Sign(const crypto::EcdsaSigningKey& key,
                          absl::string_view payload);
  // An encoded COSE_Key: type, curve, x, y.
  static std::string CoseKey(const crypto::PublicKey& key);

 private:
  SimulatedCca(crypto::EcdsaSigningKey platform_key,
               crypto::EcdsaSigningKey realm_key)
      : platform_key_(std::move(platform_key)),
        realm_key_(std::move(realm_key)) {}

  crypto::EcdsaSigningKey platform_key_, realm_key_;
};

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_CCA_H_
