#include "tools/simtee/gpu.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/x509/der.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/pem.h"
#include "policy/nvidia/opaque_data.h"

namespace kms::simtee {
namespace {

namespace fs = std::filesystem;
using nvidia::RimKind;
using x509::CertificateSpec;
using x509::IssuerKey;

constexpr char kRootName[] = "simulated-gpu-root";
constexpr char kRimRootName[] = "simulated-gpu-rim-root";
constexpr size_t kDeviceCertificates = 5;
constexpr size_t kManifestCertificates = 4;
constexpr uint32_t kGpuMeasurements = 64;
constexpr uint32_t kSwitchMeasurements = 31;
// SPDM's is one more. Not the last: an inactive one lies among the active.
constexpr uint32_t kInactiveIndex = 40;
constexpr uint32_t kVbiosIndices = 12;  // The first are the VBIOS's.
constexpr x509::SignatureScheme kScheme = x509::SignatureScheme::kEcdsaSha384;

constexpr char kSwid[] =
    "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
constexpr char kSha384[] = "http://www.w3.org/2001/04/xmlenc#sha384";
constexpr char kDsig[] = "http://www.w3.org/2000/09/xmldsig#";
constexpr char kEndTag[] = "</SoftwareIdentity>";

// What we issue ourselves is valid, or the simulator is broken.
void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string NvidiaName(const std::string& common_name) {
  return x509::MakeName({{"2.5.4.6", "US"},
                         {"2.5.4.10", "NVIDIA Corporation"},
                         {"2.5.4.3", common_name}});
}

// In names a switch is "LS_10".
std::string CertificateChip(const std::string& chip) {
  return absl::StrReplaceAll(chip, {{"LS10", "LS_10"}});
}

std::string Fwid() { return crypto::Sha384(AsBytes("simulated firmware")); }

std::string FwidDer() {
  return x509::DerEncode(
      x509::kDerSequence,
      absl::StrCat(x509::DerOid("2.16.840.1.101.3.4.2.2"),
                   x509::DerEncode(x509::kDerOctetString, Fwid())));
}

// Hopper and switches write a CompositeDeviceID, Blackwell a DiceTcbInfo.
x509::Extension FirmwareExtension(const GpuOptions& options,
                                  const IssuerKey& brom) {
  if (!absl::StartsWith(options.chip, "GB")) {
    return {.oid = "2.23.133.5.4.1",
            .critical = false,
            .value = x509::DerEncode(
                x509::kDerSequence,
                absl::StrCat(x509::DerU32(1), brom.Spki(), FwidDer()))};
  }
  // Flags notConfigured and fixedWidth, as real devices have, and debug.
  const std::string flags = {
      '\0', static_cast<char>(options.debug ? 0x90 : 0x80), '\0', '\0', '\1'};
  return {.oid = "2.23.133.5.4.1.1",
          .critical = false,
          .value = x509::DerEncode(
              x509::kDerSequence,
              absl::StrCat(
                  x509::DerEncode(x509::DerContext(0), "NVIDIA"),
                  x509::DerEncode(x509::DerContextConstructed(6), FwidDer()),
                  x509::DerEncode(x509::DerContext(7), flags)))};
}

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path.string(), ": cannot read"));
  }
  return std::string(std::istreambuf_iterator<char>(file),
                     std::istreambuf_iterator<char>());
}

absl::Status WriteFile(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content;
  file.close();
  if (file) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path.string(), ": cannot write"));
}

std::string Pem(const std::vector<x509::Certificate>& certificates) {
  std::string pem;
  for (const x509::Certificate& certificate : certificates) {
    pem += x509::ToPem(AsBytes(certificate.der()), "CERTIFICATE");
  }
  return pem;
}

// "96.00.9F.00.01" as a GPU's report has it.
std::string GpuVbios(const std::string& version) {
  const absl::StatusOr<std::string> bytes =
      Unhex(absl::StrReplaceAll(version, {{".", ""}}));
  Require(bytes.ok() && bytes->size() == 5, "simtee: not a VBIOS version");
  const std::string& b = *bytes;
  return {b[3], b[2], b[1], b[0], b[4], '\0', '\0', '\0'};
}

std::string ZeroEnded(const std::string& text) { return text + '\0'; }

}  // namespace

CertificateSpec SimulatedGpu::Spec(Hierarchy hierarchy, size_t depth) const {
  const bool device = hierarchy == Hierarchy::kDevice;
  const std::string chip = CertificateChip(options_.chip);
  const std::string names[2][kDeviceCertificates] = {
      {chip + " A01 GSP FMC LF", chip + " A01 GSP BROM",
       "Simulated " + chip + " Provisioner ICA 1",
       "Simulated " + chip + " Identity", "Simulated Device Identity CA"},
      {"Simulated RIM L4 Signer", "Simulated Reference Value L3",
       "Simulated Reference Value CA", "Simulated CoRIM signing Root CA"}};
  const std::string* const name = names[device ? 0 : 1];
  const Chain& chain = this->chain(hierarchy);
  const size_t issuer = std::min(depth + 1, chain.keys.size() - 1);
  CertificateSpec spec;
  spec.subject = NvidiaName(name[depth]);
  spec.issuer = NvidiaName(name[issuer]);
  spec.not_before = options_.not_before;
  spec.not_after = options_.not_after;
  spec.spki = chain.keys[depth].Spki();
  // As good as random, and the same for the same key.
  spec.serial = crypto::Sha256(AsBytes(spec.spki)).substr(0, 20);
  spec.serial[0] = static_cast<char>((spec.serial[0] & 0x3f) | 0x40);
  spec.scheme = kScheme;
  if (depth == 0) {
    spec.extensions = {x509::MakeKeyUsage(x509::kKeyUsageDigitalSignature)};
    if (device) {
      spec.extensions.push_back(FirmwareExtension(options_, chain.keys[1]));
    }
  } else {
    spec.extensions = {
        x509::MakeBasicConstraints(true, std::nullopt),
        x509::MakeKeyUsage(x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign)};
  }
  return spec;
}

void SimulatedGpu::Issue(Hierarchy hierarchy, size_t depth) {
  Chain& chain = hierarchy == Hierarchy::kDevice ? device_ : manifest_;
  const size_t issuer = std::min(depth + 1, chain.keys.size() - 1);
  absl::StatusOr<x509::Certificate> certificate =
      x509::Certificate::Parse(AsBytes(
          x509::IssueCertificate(Spec(hierarchy, depth), chain.keys[issuer])));
  Require(certificate.ok(), "simtee: issued a bad certificate");
  if (depth < chain.certificates.size()) {
    chain.certificates[depth] = *std::move(certificate);
  } else {
    chain.certificates.push_back(*std::move(certificate));
  }
}

SimulatedGpu SimulatedGpu::Create(const GpuOptions& options) {
  SimulatedGpu gpu(options);
  for (size_t i = 0; i < kDeviceCertificates; ++i) {
    gpu.device_.keys.push_back(IssuerKey::GenerateEc(crypto::Curve::kP384));
  }
  for (size_t i = 0; i < kManifestCertificates; ++i) {
    gpu.manifest_.keys.push_back(IssuerKey::GenerateEc(crypto::Curve::kP384));
  }
  for (size_t i = 0; i < kDeviceCertificates; ++i) {
    gpu.Issue(Hierarchy::kDevice, i);
  }
  for (size_t i = 0; i < kManifestCertificates; ++i) {
    gpu.Issue(Hierarchy::kManifest, i);
  }
  return gpu;
}

SimulatedGpu SimulatedGpu::Sibling() const {
  SimulatedGpu gpu = *this;
  for (size_t i = 0; i < 2; ++i) {  // What is the device's own.
    gpu.device_.keys[i] = IssuerKey::GenerateEc(crypto::Curve::kP384);
  }
  for (size_t i = 0; i < 2; ++i) gpu.Issue(Hierarchy::kDevice, i);
  return gpu;
}

SimulatedGpu SimulatedGpu::Reissued(
    Hierarchy hierarchy, size_t depth,
    const std::function<void(CertificateSpec&)>& change) const {
  SimulatedGpu gpu = *this;
  Chain& chain = hierarchy == Hierarchy::kDevice ? gpu.device_ : gpu.manifest_;
  CertificateSpec spec = Spec(hierarchy, depth);
  change(spec);
  const size_t issuer = std::min(depth + 1, chain.keys.size() - 1);
  absl::StatusOr<x509::Certificate> certificate = x509::Certificate::Parse(
      AsBytes(x509::IssueCertificate(spec, chain.keys[issuer])));
  Require(certificate.ok(), "simtee: a lie that does not parse");
  chain.certificates[depth] = *std::move(certificate);
  return gpu;
}

absl::Status SimulatedGpu::Save(const std::string& folder) const {
  const fs::path path(folder);
  const std::pair<const char*, const Chain*> chains[] = {
      {"gpu", &device_}, {"gpu_rim", &manifest_}};
  for (const auto& [name, chain] : chains) {
    KMS_RETURN_IF_ERROR(WriteFile(path / absl::StrCat(name, "_chain.pem"),
                                  Pem(chain->certificates)));
    for (size_t i = 0; i < chain->keys.size(); ++i) {
      KMS_RETURN_IF_ERROR(
          WriteFile(path / absl::StrCat(name, "_key_", i, ".der"),
                    chain->keys[i].Pkcs8()));
    }
  }
  KMS_RETURN_IF_ERROR(WriteFile(
      path / "gpu_versions.txt",
      absl::StrCat(options_.driver_version, "\n", options_.vbios_version)));
  KMS_RETURN_IF_ERROR(WriteFile(path / absl::StrCat(kRootName, ".pem"),
                                Pem({device_.certificates.back()})));
  return WriteFile(path / absl::StrCat(kRimRootName, ".pem"),
                   Pem({manifest_.certificates.back()}));
}

absl::StatusOr<SimulatedGpu> SimulatedGpu::Load(const std::string& folder) {
  const fs::path path(folder);
  SimulatedGpu gpu{GpuOptions()};
  const std::pair<const char*, Chain*> chains[] = {{"gpu", &gpu.device_},
                                                   {"gpu_rim", &gpu.manifest_}};
  for (const auto& [name, chain] : chains) {
    KMS_ASSIGN_OR_RETURN(const std::string pem,
                         ReadFile(path / absl::StrCat(name, "_chain.pem")));
    KMS_ASSIGN_OR_RETURN(chain->certificates,
                         x509::ParseCertificates(AsBytes(pem)));
    for (size_t i = 0; i < chain->certificates.size(); ++i) {
      KMS_ASSIGN_OR_RETURN(
          const std::string key,
          ReadFile(path / absl::StrCat(name, "_key_", i, ".der")));
      KMS_ASSIGN_OR_RETURN(IssuerKey parsed,
                           IssuerKey::FromPkcs8(AsBytes(key)));
      chain->keys.push_back(std::move(parsed));
    }
  }
  if (gpu.device_.keys.size() != kDeviceCertificates ||
      gpu.manifest_.keys.size() != kManifestCertificates) {
    return absl::InvalidArgumentError("simtee: not a simulated GPU's folder");
  }
  KMS_ASSIGN_OR_RETURN(const std::string versions,
                       ReadFile(path / "gpu_versions.txt"));
  const size_t line = versions.find('\n');
  const std::string name = gpu.device_.certificates[0].SubjectCommonName();
  gpu.options_.chip =
      absl::StrReplaceAll(name.substr(0, name.find(' ')), {{"_", ""}});
  gpu.options_.driver_version = versions.substr(0, line);
  gpu.options_.vbios_version = versions.substr(line + 1);
  gpu.options_.not_before = gpu.device_.certificates[0].not_before();
  gpu.options_.not_after = gpu.device_.certificates[0].not_after();
  return gpu;
}

// By manifest index.
std::string SimulatedGpu::Measured(uint32_t index) const {
  return crypto::Sha384(
      AsBytes(absl::StrCat("simulated measurement ", options_.chip, index)));
}

nvidia::UnverifiedReport SimulatedGpu::MakeReport(BytesView nonce) const {
  nvidia::UnverifiedReport report;
  Require(nonce.size() == report.nonce.size(), "simtee: a nonce has 32 bytes");
  std::copy(nonce.begin(), nonce.end(), report.nonce.begin());
  const std::string random = crypto::Sha256(nonce);
  std::copy(random.begin(), random.end(), report.response_nonce.begin());
  const uint32_t count = is_switch() ? kSwitchMeasurements : kGpuMeasurements;
  for (uint32_t i = 0; i < count; ++i) {
    report.measurements.push_back({.type = 1, .value = Measured(i)});
  }
  const std::string pdi = crypto::Sha256(AsBytes("switch")).substr(0, 8);
  if (is_switch()) {
    report.opaque = {
        {nvidia::kOpaqueVbiosVersion, options_.vbios_version},
        {nvidia::kOpaquePdi, pdi},
        {nvidia::kOpaqueSwitchGpuPdis,
         crypto::Sha256(AsBytes("gpu")).substr(0, 8) + std::string(120, '\0')}};
    return report;
  }
  report.opaque = {
      {nvidia::kOpaqueVbiosVersion, GpuVbios(options_.vbios_version)},
      {nvidia::kOpaqueChipSku, ZeroEnded("882")},
      {nvidia::kOpaqueProject, ZeroEnded("1010")},
      {nvidia::kOpaqueProjectSku, ZeroEnded("0200")},
      {nvidia::kOpaqueDriverVersion, ZeroEnded(options_.driver_version)},
      {nvidia::kOpaqueNvdec0Status, "\xaa"},
      {nvidia::kOpaqueFwid, Fwid()},
      {nvidia::kOpaqueProtectedPcie, "\x55"},
      {nvidia::kOpaquePdi, pdi + pdi},
      {nvidia::kOpaqueDataVersion, std::string("\1\0", 2)},
      {nvidia::kOpaqueFeatureFlag, std::string("\1\0", 2)}};
  if (absl::StartsWith(options_.chip, "GB")) {
    report.opaque.push_back(
        {nvidia::kOpaqueChipInfo, ZeroEnded(options_.chip)});
  }
  return report;
}

std::string SimulatedGpu::SignBytes(const std::string& signed_bytes) const {
  const absl::StatusOr<std::string> raw = crypto::EcdsaDerToRaw(
      crypto::Curve::kP384,
      AsBytes(device_.keys[0].Sign(kScheme, AsBytes(signed_bytes))));
  Require(raw.ok(), "simtee: signature");
  return signed_bytes + *raw;
}

std::string SimulatedGpu::Sign(const nvidia::UnverifiedReport& report) const {
  std::string bytes = nvidia::SerializeReport(report);
  bytes.resize(bytes.size() - nvidia::kSignatureBytes);
  return SignBytes(bytes);
}

RimSpec SimulatedGpu::MakeRim(RimKind kind) const {
  RimSpec spec;
  spec.product = options_.chip;
  spec.version = kind == RimKind::kDriver ? options_.driver_version
                                          : options_.vbios_version;
  const uint32_t count = is_switch() ? kSwitchMeasurements : kGpuMeasurements;
  for (uint32_t i = 0; i < count; ++i) {
    const bool vbios = is_switch() || i < kVbiosIndices;
    if (vbios != (kind == RimKind::kVbios) || i == kInactiveIndex) continue;
    // Every third has a second good value, some before the one measured.
    std::vector<std::string>& alternatives = spec.active[i];
    if (i % 3 == 1) alternatives.push_back(std::string(48, '\x11'));
    alternatives.push_back(Measured(i));
    if (i % 3 == 2) alternatives.push_back(std::string(48, '\x22'));
  }
  return spec;
}

// Canonical XML: no declaration, attributes in order, no empty-element tags.
std::string SimulatedGpu::RimBody(const RimSpec& spec) {
  std::string body = absl::StrCat(
      "<SoftwareIdentity xmlns=\"", kSwid, "\" xmlns:ns0=\"", kSwid,
      "\" xmlns:ns2=\"", kSha384, "\" corpus=\"false\" name=\"", spec.product,
      "\" patch=\"false\" supplemental=\"false\" tagId=\"simulated\" "
      "tagVersion=\"",
      spec.tag_version,
      "\" version=\"1.0\">\n<ns0:Entity name=\"Simulated\" "
      "role=\"softwareCreator tagCreator\"></ns0:Entity>\n<ns0:Meta "
      "PayloadType=\"direct\" colloquialVersion=\"",
      spec.version, "\" edition=\"GPU\" product=\"", spec.product,
      "\" revision=\"", spec.revision, "\"></ns0:Meta>\n<ns0:Payload>\n");
  const std::vector<std::string> none = {std::string(48, '\0')};
  for (uint32_t i = 0; i < spec.count; ++i) {
    const auto found = spec.active.find(i);
    const bool active = found != spec.active.end();
    const std::vector<std::string>& values = active ? found->second : none;
    absl::StrAppend(&body, "<ns0:Resource active=\"", active ? "True" : "False",
                    "\" alternatives=\"", values.size(), "\" index=\"", i,
                    "\" name=\"Measurement_", i,
                    "\" size=\"48\" type=\"Measurement\"");
    for (size_t j = 0; j < values.size(); ++j) {
      absl::StrAppend(&body, " ns2:Hash", j, "=\"", Hex(values[j]), "\"");
    }
    absl::StrAppend(&body, "></ns0:Resource>\n");
  }
  return absl::StrCat(body, "</ns0:Payload>\n", kEndTag);
}

std::string SimulatedGpu::RimSignature(const std::string& body) const {
  const auto algorithm = [](absl::string_view element, absl::string_view uri) {
    return absl::StrCat("<ds:", element, " Algorithm=\"", uri,
                        "\"></ds:", element, ">");
  };
  constexpr char kC14n11[] = "http://www.w3.org/2006/12/xml-c14n11";
  const std::string rest = absl::StrCat(
      ">", algorithm("CanonicalizationMethod", kC14n11),
      algorithm("SignatureMethod",
                "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"),
      "<ds:Reference URI=\"\"><ds:Transforms>",
      algorithm("Transform", absl::StrCat(kDsig, "enveloped-signature")),
      algorithm("Transform", kC14n11), "</ds:Transforms>",
      algorithm("DigestMethod",
                "http://www.w3.org/2001/04/xmldsig-more#sha384"),
      "<ds:DigestValue>", absl::Base64Escape(crypto::Sha384(AsBytes(body))),
      "</ds:DigestValue></ds:Reference></ds:SignedInfo>");
  // Canonical form writes every namespace in scope on the apex element.
  const std::string canonical = absl::StrCat(
      "<ds:SignedInfo xmlns=\"", kSwid, "\" xmlns:ds=\"", kDsig,
      "\" xmlns:ns0=\"", kSwid, "\" xmlns:ns2=\"", kSha384, "\"", rest);
  const absl::StatusOr<std::string> raw = crypto::EcdsaDerToRaw(
      crypto::Curve::kP384,
      AsBytes(manifest_.keys[0].Sign(kScheme, AsBytes(canonical))));
  Require(raw.ok(), "simtee: signature");
  std::string signature =
      absl::StrCat("<ds:Signature xmlns:ds=\"", kDsig, "\"><ds:SignedInfo",
                   rest, "<ds:SignatureValue>", absl::Base64Escape(*raw),
                   "</ds:SignatureValue><ds:KeyInfo><ds:X509Data>");
  for (const x509::Certificate& certificate : manifest_.certificates) {
    absl::StrAppend(&signature, "<ds:X509Certificate>",
                    absl::Base64Escape(certificate.der()),
                    "</ds:X509Certificate>");
  }
  return signature + "</ds:X509Data></ds:KeyInfo></ds:Signature>";
}

std::string SimulatedGpu::JoinRim(const std::string& body,
                                  const std::string& signature) {
  Require(absl::EndsWith(body, kEndTag), "simtee: not a manifest's body");
  return absl::StrCat(body.substr(0, body.size() - sizeof(kEndTag) + 1),
                      signature, kEndTag);
}

std::string SimulatedGpu::SignRim(const RimSpec& spec) const {
  const std::string body = RimBody(spec);
  return JoinRim(body, RimSignature(body));
}

v1::Evidence SimulatedGpu::Wrap(const std::string& report) const {
  v1::Evidence evidence;
  evidence.set_type(v1::NVIDIA_GPU);
  const auto add = [&](const std::string& role, const std::string& content) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role(role);
    file->set_content(content);
  };
  add("evidence", report);
  add("cert_chain", CertChainPem());
  if (!is_switch()) add("rim_driver", SignRim(MakeRim(RimKind::kDriver)));
  add("rim_vbios", SignRim(MakeRim(RimKind::kVbios)));
  return evidence;
}

v1::Evidence SimulatedGpu::Attest(BytesView nonce) const {
  return Wrap(Sign(MakeReport(nonce)));
}

std::vector<policy::TrustAnchor> SimulatedGpu::Anchors() const {
  policy::TrustAnchor rim = policy::AnchorFromCertificate(
      kRimRootName, v1::NVIDIA_GPU, manifest_.certificates.back(),
      /*simulated=*/true);
  rim.use = policy::AnchorUse::kReferenceValues;
  return {policy::AnchorFromCertificate(kRootName, v1::NVIDIA_GPU,
                                        device_.certificates.back(),
                                        /*simulated=*/true),
          std::move(rim)};
}

std::string SimulatedGpu::CertChainPem() const {
  return Pem(device_.certificates);
}

}  // namespace kms::simtee
