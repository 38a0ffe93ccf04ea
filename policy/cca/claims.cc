#include "policy/cca/claims.h"

#include <string>

namespace kms::cca {
namespace {

void FillPlatform(const UnverifiedPlatform& platform, v1::CcaClaims* cca) {
  cca->set_platform_profile(platform.profile);
  cca->set_implementation_id(platform.implementation_id);
  cca->set_instance_id(platform.instance_id);
  cca->set_platform_config(platform.config);
  cca->set_lifecycle(platform.lifecycle);
  cca->set_lifecycle_state(std::string(LifecycleName(platform.lifecycle)));
  cca->set_platform_hash_algorithm(platform.hash_algorithm);
  cca->set_platform_challenge(platform.challenge);
  cca->set_verification_service(platform.verification_service);
  for (const SoftwareComponent& component : platform.software_components) {
    v1::CcaSoftwareComponent* out = cca->add_software_components();
    out->set_type(component.type);
    out->set_measurement(component.measurement);
    out->set_version(component.version);
    out->set_signer_id(component.signer_id);
    out->set_hash_algorithm(component.hash_algorithm.empty()
                                ? platform.hash_algorithm
                                : component.hash_algorithm);
  }
}

void FillRealm(const UnverifiedRealm& realm, v1::CcaClaims* cca) {
  cca->set_realm_profile(realm.profile);
  cca->set_realm_initial_measurement(realm.initial_measurement);
  for (const std::string& measurement : realm.extensible_measurements) {
    cca->add_realm_extensible_measurements(measurement);
  }
  cca->set_realm_personalization(realm.personalization);
  cca->set_realm_hash_algorithm(realm.hash_algorithm);
  cca->set_realm_public_key(realm.public_key);
  cca->set_realm_public_key_hash_algorithm(realm.public_key_hash_algorithm);
  cca->set_realm_instance_id(realm.instance_id);
  if (realm.mec_policy.has_value()) {
    cca->set_realm_mec_policy(*realm.mec_policy == 1 ? "private" : "shared");
  }
  if (realm.lfa_policy.has_value()) {
    cca->set_realm_lfa_policy(*realm.lfa_policy == 1 ? "allow" : "disallow");
  }
  cca->set_realm_devices_digest(realm.devices_digest);
}

}  // namespace

v1::Claims MakeClaims(const VerifiedToken& verified,
                      const policy::TrustAnchor& anchor) {
  const UnverifiedPlatform& platform = verified.platform();
  const UnverifiedRealm& realm = verified.realm();
  v1::Claims claims;
  v1::CpuClaims* cpu = claims.mutable_cpu();
  cpu->set_type(v1::ARM_CCA);
  cpu->set_anchor(anchor.name);
  cpu->set_simulated(anchor.simulated);
  cpu->set_report_data(realm.challenge);
  cpu->set_measurement(realm.initial_measurement);
  cpu->set_debug(LifecycleDebug(platform.lifecycle));
  cpu->set_chip_id(platform.instance_id);
  cpu->set_host_data(realm.personalization);
  FillPlatform(platform, cpu->mutable_cca());
  FillRealm(realm, cpu->mutable_cca());
  return claims;
}

}  // namespace kms::cca
