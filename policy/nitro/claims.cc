#include "policy/nitro/claims.h"

#include <algorithm>

#include "kms/base/bytes.h"

namespace kms::nitro {
namespace {

// AWS, "Cryptographic attestation": an enclave in debug mode, whose console
// the host reads, has zeros where the image is measured.
bool Debug(const UnverifiedDocument& document) {
  const uint32_t image[] = {0, 1, 2};
  return std::all_of(std::begin(image), std::end(image), [&](uint32_t index) {
    return AllZero(AsBytes(document.pcrs.at(index)));
  });
}

}  // namespace

v1::Claims MakeClaims(const VerifiedDocument& verified,
                      const policy::TrustAnchor& anchor) {
  const UnverifiedDocument& document = verified.document();
  v1::Claims claims;
  v1::CpuClaims* cpu = claims.mutable_cpu();
  cpu->set_type(v1::NITRO);
  cpu->set_anchor(anchor.name);
  cpu->set_simulated(anchor.simulated);
  cpu->set_report_data(document.nonce);
  cpu->set_measurement(document.pcrs.at(0));
  cpu->set_debug(Debug(document));

  v1::NitroClaims* nitro = cpu->mutable_nitro();
  nitro->set_module_id(document.module_id);
  nitro->set_digest("SHA384");
  nitro->set_timestamp_ms(document.timestamp_ms);
  for (const auto& [index, value] : document.pcrs) {
    (*nitro->mutable_pcrs())[index] = value;
  }
  nitro->set_public_key(document.public_key);
  nitro->set_user_data(document.user_data);
  nitro->set_nonce(document.nonce);
  return claims;
}

}  // namespace kms::nitro
