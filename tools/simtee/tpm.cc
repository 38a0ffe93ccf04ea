#include "tools/simtee/tpm.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/x509/der.h"
#include "kms/crypto/x509/der_writer.h"
#include "policy/tpm/algorithm.h"

namespace kms::simtee {
namespace {

using x509::Certificate;
using x509::CertificateSpec;
using x509::IssuerKey;
using x509::SignatureScheme;

constexpr char kCommonName[] = "2.5.4.3";
constexpr uint32_t kFirstEight = 0xff;

// Nothing of ours can fail but by a bug.
template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "simtee tpm: " << value.status() << "\n";
    std::abort();
  }
  return *std::move(value);
}

SignatureScheme SchemeOf(const TpmOptions& options) {
  const bool sha256 = options.hash == crypto::Hash::kSha256;
  const bool sha384 = options.hash == crypto::Hash::kSha384;
  switch (options.scheme) {
    case tpm::Scheme::kEcdsa:
      return sha256   ? SignatureScheme::kEcdsaSha256
             : sha384 ? SignatureScheme::kEcdsaSha384
                      : SignatureScheme::kEcdsaSha512;
    case tpm::Scheme::kRsaSsa:
      return sha256   ? SignatureScheme::kRsaPkcs1Sha256
             : sha384 ? SignatureScheme::kRsaPkcs1Sha384
                      : SignatureScheme::kRsaPkcs1Sha512;
    case tpm::Scheme::kRsaPss:
      return sha256   ? SignatureScheme::kRsaPssSha256
             : sha384 ? SignatureScheme::kRsaPssSha384
                      : SignatureScheme::kRsaPssSha512;
  }
  std::abort();
}

tpm::PublicArea MakeArea(const TpmOptions& options, const IssuerKey& ak) {
  tpm::PublicArea area;
  area.attributes = tpm::kFixedTpm | tpm::kFixedParent |
                    tpm::kSensitiveDataOrigin | tpm::kUserWithAuth |
                    tpm::kRestricted | tpm::kSign;
  area.scheme = options.scheme;
  area.scheme_hash = options.hash;
  const auto key = Must(crypto::PublicKey::FromSpki(AsBytes(ak.Spki())));
  const BytesView bytes = key.key_bytes();
  if (options.scheme == tpm::Scheme::kEcdsa) {
    area.curve = options.curve;
    const size_t size = crypto::CurveFieldSize(options.curve);
    area.x = ToString(bytes.subspan(1, size));
    area.y = ToString(bytes.subspan(1 + size));
  } else {
    bool failed = false;
    x509::DerReader reader(bytes, &failed);
    area.modulus =
        ToString(reader.Enter(x509::kDerSequence).Unsigned(bytes.size()));
  }
  return area;
}

void AddFile(v1::Evidence& evidence, const std::string& role,
             const std::string& content) {
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role(role);
  file->set_content(content);
}

}  // namespace

SimulatedTpm::SimulatedTpm(TpmOptions options, IssuerKey ak, IssuerKey ca_key,
                           tpm::PublicArea area, Certificate ca,
                           Certificate ak_certificate)
    : options_(options),
      ak_(std::move(ak)),
      ca_key_(std::move(ca_key)),
      area_(std::move(area)),
      ca_(std::move(ca)),
      ak_certificate_(std::move(ak_certificate)) {}

CertificateSpec SimulatedTpm::CaSpec(const TpmOptions& options,
                                     const IssuerKey& key) {
  CertificateSpec spec;
  spec.serial = "\x01";
  spec.issuer = x509::MakeName({{kCommonName, "Simulated TPM CA"}});
  spec.subject = spec.issuer;
  spec.not_before = options.not_before;
  spec.not_after = options.not_after;
  spec.spki = key.Spki();
  spec.extensions = {
      x509::MakeBasicConstraints(true, 0),
      x509::MakeKeyUsage(x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign)};
  spec.scheme = SignatureScheme::kEcdsaSha256;
  return spec;
}

CertificateSpec SimulatedTpm::AkSpec(const TpmOptions& options,
                                     const IssuerKey& key) {
  CertificateSpec spec = CaSpec(options, key);
  spec.serial = "\x02";
  // As real ones do: no subject, and the TPM's maker in the alternative name.
  spec.subject = x509::DerEncode(x509::kDerSequence, "");
  const std::string maker =
      x509::MakeName({{"2.23.133.2.1", "id:53494D55"}});  // "SIMU"
  spec.extensions = {
      x509::MakeBasicConstraints(false, std::nullopt),
      x509::MakeKeyUsage(x509::kKeyUsageDigitalSignature),
      {"2.5.29.37", false,
       x509::DerEncode(x509::kDerSequence, x509::DerOid("2.23.133.8.3"))},
      {"2.5.29.17", true,
       x509::DerEncode(
           x509::kDerSequence,
           x509::DerEncode(x509::DerContextConstructed(4), maker))}};
  return spec;
}

SimulatedTpm SimulatedTpm::Create(const TpmOptions& options) {
  IssuerKey ak = options.scheme == tpm::Scheme::kEcdsa
                     ? IssuerKey::GenerateEc(options.curve)
                     : IssuerKey::GenerateRsa(2048);
  IssuerKey ca_key = IssuerKey::GenerateEc(crypto::Curve::kP256);
  Certificate ca = Must(Certificate::Parse(
      AsBytes(x509::IssueCertificate(CaSpec(options, ca_key), ca_key))));
  Certificate certificate = Must(Certificate::Parse(
      AsBytes(x509::IssueCertificate(AkSpec(options, ak), ca_key))));
  tpm::PublicArea area = MakeArea(options, ak);
  return SimulatedTpm(options, std::move(ak), std::move(ca_key),
                      std::move(area), std::move(ca), std::move(certificate));
}

tpm::UnverifiedPcrs SimulatedTpm::Pcrs(crypto::Hash bank) const {
  tpm::UnverifiedPcrs pcrs;
  pcrs.bank = bank;
  for (uint32_t i = 0; i < tpm::kPcrCount; ++i) {
    pcrs.values[i] = crypto::Digest(bank, AsBytes(absl::StrCat("pcr", i)));
  }
  return pcrs;
}

tpm::UnverifiedQuote SimulatedTpm::MakeQuote(const std::string& nonce,
                                             const tpm::UnverifiedPcrs& pcrs,
                                             uint32_t selected) const {
  tpm::UnverifiedQuote quote;
  ByteWriter name;
  name.U16Be(tpm::AlgorithmOf(area_.name_hash));
  name.Bytes(crypto::Digest(area_.name_hash, AsBytes(tpm::NameOf(area_))));
  quote.qualified_signer = name.Take();
  quote.extra_data = nonce;
  quote.clock_ms = 123456;
  quote.reset_count = 7;
  quote.restart_count = 1;
  quote.clock_safe = true;
  quote.firmware_version = 0x2020031200120003;
  quote.bank = pcrs.bank;
  quote.selected = selected;
  std::map<uint32_t, std::string> values;
  for (const auto& [index, value] : pcrs.values) {
    if ((selected >> index & 1) != 0) values[index] = value;
  }
  quote.pcr_digest = tpm::PcrDigest(options_.hash, values);
  return quote;
}

tpm::Signature SimulatedTpm::Sign(BytesView message) const {
  tpm::Signature signature;
  signature.scheme = options_.scheme;
  signature.hash = options_.hash;
  const std::string bytes = ak_.Sign(SchemeOf(options_), message);
  if (options_.scheme != tpm::Scheme::kEcdsa) {
    signature.rsa = bytes;
    return signature;
  }
  const std::string raw =
      Must(crypto::EcdsaDerToRaw(options_.curve, AsBytes(bytes)));
  signature.r = raw.substr(0, raw.size() / 2);
  signature.s = raw.substr(raw.size() / 2);
  return signature;
}

v1::Evidence SimulatedTpm::Attest(const std::string& nonce) const {
  return Wrap(tpm::SerializeAttest(MakeQuote(nonce, Pcrs(), kFirstEight)));
}

v1::Evidence SimulatedTpm::Wrap(const std::string& attest) const {
  v1::Evidence evidence;
  evidence.set_type(options_.type);
  AddFile(evidence, "quote_attest", attest);
  AddFile(evidence, "quote_signature",
          tpm::SerializeSignature(Sign(AsBytes(attest))));
  AddFile(evidence, "pcrs", tpm::SerializePcrs(Pcrs()));
  AddFile(evidence, "ak_public", tpm::SerializePublicArea(area_));
  return evidence;
}

void SimulatedTpm::AddCertificates(v1::Evidence& evidence) const {
  AddFile(evidence, "ak_cert", ak_certificate_.der());
  AddFile(evidence, "ak_cert_chain", ca_.der());
}

policy::TrustAnchor SimulatedTpm::PinnedAnchor() const {
  return policy::AnchorFromKey(
      "simulated-tpm-ak", options_.type,
      Must(crypto::PublicKey::FromSpki(AsBytes(spki()))), true);
}

policy::TrustAnchor SimulatedTpm::CaAnchor() const {
  return policy::AnchorFromCertificate("simulated-tpm-ca", options_.type, ca_,
                                       true);
}

void SetFile(v1::Evidence& evidence, const std::string& role,
             const std::string& content) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) {
      file.set_content(content);
      return;
    }
  }
  AddFile(evidence, role, content);
}

}  // namespace kms::simtee
