#include "tools/simtee/cca.h"

#include <utility>

#include "kms/crypto/digest.h"
#include "policy/cbor/cose.h"
#include "policy/cbor/writer.h"
#include "policy/cca/token.h"
#include "policy/cca/verify.h"

namespace kms::simtee {

SimulatedCca SimulatedCca::Create(crypto::Curve curve) {
  return SimulatedCca(*crypto::EcdsaSigningKey::Generate(curve),
                      *crypto::EcdsaSigningKey::Generate(crypto::Curve::kP384));
}

std::string SimulatedCca::CoseKey(const crypto::PublicKey& key) {
  const BytesView point = key.key_bytes().subspan(1);
  const size_t half = point.size() / 2;
  return cbor::Writer()
      .Map(4)
      .Integer(1)  // kty: EC2.
      .Integer(2)
      .Integer(-1)  // crv: P-256 or P-384.
      .Integer(key.kind() == crypto::KeyKind::kP256 ? 1 : 2)
      .Integer(-2)
      .Bytes(point.first(half))
      .Integer(-3)
      .Bytes(point.subspan(half))
      .Take();
}

cca::UnverifiedPlatform SimulatedCca::MakePlatform() const {
  cca::UnverifiedPlatform platform;
  platform.profile = std::string(cca::kPlatformProfile1);
  platform.challenge =
      crypto::Sha256(AsBytes(CoseKey(realm_key_.public_key())));
  platform.implementation_id = std::string(32, '\x1a');
  platform.instance_id = cca::InstanceIdOf(platform_key_.public_key());
  platform.config = "\xcf\xcf\xcf\xcf";
  platform.lifecycle = 0x3003;
  platform.hash_algorithm = "sha-256";
  platform.verification_service = "https://verifier.example";
  for (const char* type : {"BL2", "RMM"}) {
    cca::SoftwareComponent component;
    component.type = type;
    component.measurement = std::string(32, type[0]);
    component.version = "1.0.0";
    component.signer_id = std::string(32, '\x5e');
    component.hash_algorithm = "sha-256";
    platform.software_components.push_back(component);
  }
  return platform;
}

cca::UnverifiedRealm SimulatedCca::MakeRealm(
    absl::string_view challenge) const {
  cca::UnverifiedRealm realm;
  realm.profile = std::string(cca::kRealmProfile1);
  realm.challenge = std::string(challenge);
  realm.personalization = std::string(64, '\x2b');
  realm.initial_measurement = std::string(64, '\x5a');
  for (std::string& measurement : realm.extensible_measurements) {
    measurement = std::string(64, '\0');
  }
  realm.hash_algorithm = "sha-512";
  realm.public_key_hash_algorithm = "sha-256";
  realm.public_key = CoseKey(realm_key_.public_key());
  return realm;
}

std::string SimulatedCca::Sign(const crypto::EcdsaSigningKey& key,
                               absl::string_view payload) {
  const bool p256 = key.curve() == crypto::Curve::kP256;
  const auto algorithm =
      p256 ? cbor::Algorithm::kEs256 : cbor::Algorithm::kEs384;
  const std::string header = cbor::Writer()
                                 .Map(1)
                                 .Integer(1)
                                 .Integer(cbor::CoseNumber(algorithm))
                                 .Take();
  const std::string signature = key.SignRaw(
      p256 ? crypto::Hash::kSha256 : crypto::Hash::kSha384,
      AsBytes(cbor::SignedBytes(AsBytes(header), AsBytes(payload))));
  return cbor::Writer()
      .Tag(18)
      .Array(4)
      .Bytes(header)
      .Map(0)
      .Bytes(payload)
      .Bytes(signature)
      .Take();
}

std::string SimulatedCca::SignPlatform(absl::string_view claims) const {
  return Sign(platform_key_, claims);
}

std::string SimulatedCca::SignRealm(absl::string_view claims) const {
  return Sign(realm_key_, claims);
}

std::string SimulatedCca::Collect(absl::string_view platform,
                                  absl::string_view realm) {
  return cbor::Writer()
      .Tag(cca::kTagCollection1)
      .Map(2)
      .Integer(cca::kPlatformEntry)
      .Bytes(platform)
      .Integer(cca::kRealmEntry)
      .Bytes(realm)
      .Take();
}

v1::Evidence SimulatedCca::Attest(absl::string_view challenge) const {
  return Wrap(Collect(SignPlatform(cca::EncodePlatform(MakePlatform())),
                      SignRealm(cca::EncodeRealm(MakeRealm(challenge)))));
}

v1::Evidence SimulatedCca::Wrap(const std::string& file) {
  v1::Evidence evidence;
  evidence.set_type(v1::ARM_CCA);
  v1::EvidenceFile* out = evidence.add_files();
  out->set_role("evidence");
  out->set_content(file);
  return evidence;
}

policy::TrustAnchor SimulatedCca::Anchor() const {
  return policy::AnchorFromKey("simulated-cca-cpak", v1::ARM_CCA,
                               platform_key_.public_key(), /*simulated=*/true);
}

}  // namespace kms::simtee
