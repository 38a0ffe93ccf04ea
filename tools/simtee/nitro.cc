#include "tools/simtee/nitro.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/ecdsa_signature.h"
#include "policy/cbor/cose.h"
#include "policy/cbor/writer.h"

namespace kms::simtee {
namespace {

using x509::SignatureScheme;

constexpr char kModuleId[] = "i-00000000000000001-enc0000000000000001";
constexpr absl::string_view kHeader = "\xa1\x01\x38\x22";  // {1: -35}

std::string CommonName(absl::string_view name) {
  return x509::MakeName({{"2.5.4.3", std::string(name)}});
}

x509::CertificateSpec Spec(absl::string_view name, char serial,
                           absl::Time not_before, absl::Duration life,
                           const x509::IssuerKey& key) {
  x509::CertificateSpec spec;
  spec.serial = std::string(1, serial);
  spec.subject = CommonName(name);
  spec.not_before = not_before;
  spec.not_after = not_before + life;
  spec.spki = key.Spki();
  spec.scheme = SignatureScheme::kEcdsaSha384;
  return spec;
}

}  // namespace

SimulatedNitro SimulatedNitro::Create(absl::Time launch) {
  constexpr absl::Duration kDay = absl::Hours(24);
  SimulatedNitro machine;
  machine.launch_ = launch;
  const auto add = [&](absl::string_view name, absl::Time from,
                       absl::Duration life, bool ca) {
    const auto key = x509::IssuerKey::GenerateEc(crypto::Curve::kP384);
    const size_t depth = machine.nodes_.size();
    x509::CertificateSpec spec =
        Spec(name, static_cast<char>(depth + 1), from, life, key);
    spec.issuer =
        depth == 0 ? spec.subject : machine.nodes_.back().spec.subject;
    spec.extensions = {
        x509::MakeBasicConstraints(ca, std::nullopt),
        x509::MakeKeyUsage(ca ? x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign
                              : x509::kKeyUsageDigitalSignature)};
    const std::string der = x509::IssueCertificate(
        spec, depth == 0 ? key : machine.nodes_.back().key);
    machine.nodes_.push_back({spec, key, der});
  };
  add("simulated.nitro-enclaves", launch - 10 * kDay, 365 * 30 * kDay, true);
  add("i-00000000000000001.simulated.nitro-enclaves", launch - kDay / 2, kDay,
      true);
  add(absl::StrCat(kModuleId, ".nowhere-1.simulated"), launch, absl::Hours(3),
      false);
  return machine;
}

nitro::UnverifiedDocument SimulatedNitro::MakeDocument(
    absl::string_view nonce) const {
  nitro::UnverifiedDocument document;
  document.module_id = kModuleId;
  document.timestamp_ms = absl::ToUnixMillis(launch_ + absl::Hours(1));
  for (uint32_t index = 0; index < 16; ++index) {
    document.pcrs[index] =
        std::string(48, static_cast<char>(index < 5 ? 0x50 + index : 0));
  }
  document.certificate = leaf().der;
  document.cabundle = {root().der, instance().der};
  document.nonce = std::string(nonce);
  return document;
}

std::string SimulatedNitro::Signature(absl::string_view protected_header,
                                      absl::string_view payload) const {
  const std::string der = leaf().key.Sign(
      SignatureScheme::kEcdsaSha384,
      AsBytes(cbor::SignedBytes(AsBytes(protected_header), AsBytes(payload))));
  return *crypto::EcdsaDerToRaw(crypto::Curve::kP384, AsBytes(der));
}

std::string SimulatedNitro::Sign(absl::string_view payload) const {
  return cbor::Writer()
      .Array(4)
      .Bytes(kHeader)
      .Map(0)
      .Bytes(payload)
      .Bytes(Signature(kHeader, payload))
      .Take();
}

v1::Evidence SimulatedNitro::Attest(absl::string_view nonce) const {
  return Wrap(Sign(nitro::EncodeDocument(MakeDocument(nonce))));
}

v1::Evidence SimulatedNitro::Wrap(const std::string& file) {
  v1::Evidence evidence;
  evidence.set_type(v1::NITRO);
  v1::EvidenceFile* out = evidence.add_files();
  out->set_role("evidence");
  out->set_content(file);
  return evidence;
}

policy::TrustAnchor SimulatedNitro::Anchor() const {
  return policy::AnchorFromCertificate(
      "simulated-nitro-root", v1::NITRO,
      *x509::Certificate::Parse(AsBytes(root().der)), /*simulated=*/true);
}

}  // namespace kms::simtee
