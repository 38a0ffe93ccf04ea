#include "tools/simtee/snp.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/pem.h"

namespace kms::simtee {
namespace {

namespace fs = std::filesystem;
using sev_snp::Product;
using sev_snp::SigningKey;
using sev_snp::Tcb;
using sev_snp::UnverifiedReport;
using x509::Certificate;
using x509::CertificateSpec;
using x509::Extension;
using x509::IssuerKey;
using x509::SignatureScheme;

constexpr char kAnchorName[] = "simulated-snp-ark";
constexpr char kCspId[] = "CN=simulated.example";
constexpr char kVendorArc[] = "1.3.6.1.4.1.3704.1.";

// What we issue ourselves is valid, or the simulator is broken.
void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string ProductText(Product product) {
  return product == Product::kMilan   ? "Milan"
         : product == Product::kGenoa ? "Genoa"
                                      : "Turin";
}

std::string AmdName(absl::string_view common_name) {
  return x509::MakeName({{"2.5.4.11", "Engineering"},
                         {"2.5.4.6", "US"},
                         {"2.5.4.7", "Santa Clara"},
                         {"2.5.4.8", "CA"},
                         {"2.5.4.10", "Advanced Micro Devices"},
                         {"2.5.4.3", std::string(common_name)}});
}

std::string ArkName(Product product) {
  return AmdName(absl::StrCat("ARK-", ProductText(product)));
}

std::string AskName(const SnpOptions& options) {
  return AmdName(
      absl::StrCat(options.kind == SigningKey::kVlek ? "SEV-VLEK-" : "SEV-",
                   ProductText(options.product)));
}

Extension AmdExtension(absl::string_view arc, std::string value) {
  return {.oid = absl::StrCat(kVendorArc, arc),
          .critical = false,
          .value = std::move(value)};
}

CertificateSpec CaSpec(const SnpOptions& options, const IssuerKey& key) {
  CertificateSpec spec;
  spec.issuer = ArkName(options.product);
  spec.not_before = options.not_before;
  spec.not_after = options.not_after;
  spec.spki = key.Spki();
  return spec;
}

Certificate MustParse(const std::string& der) {
  absl::StatusOr<Certificate> certificate = Certificate::Parse(AsBytes(der));
  Require(certificate.ok(), "simtee: issued a bad certificate");
  return *std::move(certificate);
}

template <size_t N>
void Copy(BytesView from, std::array<uint8_t, N>& to) {
  std::copy_n(from.begin(), std::min(from.size(), N), to.begin());
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
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": cannot write"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> ReadCertificate(const fs::path& path) {
  KMS_ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                       x509::ParseCertificates(AsBytes(content)));
  return certificates.front();
}

absl::StatusOr<IssuerKey> ReadKey(const fs::path& path) {
  KMS_ASSIGN_OR_RETURN(const std::string der, ReadFile(path));
  return IssuerKey::FromPkcs8(AsBytes(der));
}

}  // namespace

SimulatedSnp::SimulatedSnp(IssuerKey ark_key, IssuerKey ask_key,
                           IssuerKey leaf_key, Certificate ark, Certificate ask,
                           Certificate leaf, sev_snp::KeyCertificate key)
    : ark_key_(std::move(ark_key)),
      ask_key_(std::move(ask_key)),
      leaf_key_(std::move(leaf_key)),
      ark_(std::move(ark)),
      ask_(std::move(ask)),
      leaf_(std::move(leaf)),
      key_(std::move(key)) {}

CertificateSpec SimulatedSnp::ArkSpec(const SnpOptions& options,
                                      const IssuerKey& key) {
  CertificateSpec spec = CaSpec(options, key);
  spec.subject = spec.issuer;
  spec.extensions = {
      x509::MakeKeyUsage(x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign),
      x509::MakeBasicConstraints(true, std::nullopt)};
  return spec;
}

CertificateSpec SimulatedSnp::AskSpec(const SnpOptions& options,
                                      const IssuerKey& key) {
  CertificateSpec spec = CaSpec(options, key);
  spec.serial = std::string(1, '\2');
  spec.subject = AskName(options);
  spec.extensions = {x509::MakeBasicConstraints(true, 0),
                     x509::MakeKeyUsage(x509::kKeyUsageCertSign)};
  return spec;
}

CertificateSpec SimulatedSnp::LeafSpec(const SnpOptions& options,
                                       const IssuerKey& key) {
  const bool turin = options.product == Product::kTurin;
  const bool vlek = options.kind == SigningKey::kVlek;
  const Tcb& tcb = options.tcb;
  CertificateSpec spec;
  spec.serial = std::string(1, '\0');  // As AMD's.
  spec.issuer = AskName(options);
  spec.subject = AmdName(vlek ? "SEV-VLEK" : "SEV-VCEK");
  spec.not_before = options.not_before;
  spec.not_after = options.not_after;
  spec.spki = key.Spki();
  spec.extensions = {
      AmdExtension("1", x509::DerU32(turin ? 1 : 0)),
      AmdExtension("2", x509::DerEncode(x509::kDerIa5String,
                                        ProductText(options.product))),
      AmdExtension("3.1", x509::DerU32(tcb.bootloader)),
      AmdExtension("3.2", x509::DerU32(tcb.tee)),
      AmdExtension("3.3", x509::DerU32(tcb.snp)),
      turin ? AmdExtension("3.9", x509::DerU32(tcb.fmc))
            : AmdExtension("3.4", x509::DerU32(0)),
      AmdExtension("3.5", x509::DerU32(0)),
      AmdExtension("3.6", x509::DerU32(0)),
      AmdExtension("3.7", x509::DerU32(0)),
      AmdExtension("3.8", x509::DerU32(tcb.microcode))};
  if (vlek) {
    spec.extensions.push_back(
        AmdExtension("5", x509::DerEncode(x509::kDerIa5String, kCspId)));
  } else {
    // The chip's id: as good as random, and the same for the same key.
    spec.extensions.push_back(AmdExtension(
        "4", crypto::Sha512(AsBytes(spec.spki)).substr(0, turin ? 8 : 64)));
  }
  return spec;
}

SimulatedSnp SimulatedSnp::Create(const SnpOptions& options) {
  IssuerKey ark_key = IssuerKey::GenerateRsa(options.rsa_bits);
  IssuerKey ask_key = IssuerKey::GenerateRsa(options.rsa_bits);
  IssuerKey leaf_key = IssuerKey::GenerateEc(crypto::Curve::kP384);
  Certificate ark =
      MustParse(IssueCertificate(ArkSpec(options, ark_key), ark_key));
  Certificate ask =
      MustParse(IssueCertificate(AskSpec(options, ask_key), ark_key));
  Certificate leaf =
      MustParse(IssueCertificate(LeafSpec(options, leaf_key), ask_key));
  absl::StatusOr<sev_snp::KeyCertificate> key =
      sev_snp::ReadKeyCertificateLeaf(leaf);
  Require(key.ok(), "simtee: issued a bad key certificate");
  return SimulatedSnp(std::move(ark_key), std::move(ask_key),
                      std::move(leaf_key), std::move(ark), std::move(ask),
                      std::move(leaf), *std::move(key));
}

absl::StatusOr<SimulatedSnp> SimulatedSnp::Load(const std::string& folder) {
  const fs::path path(folder);
  KMS_ASSIGN_OR_RETURN(IssuerKey ark_key, ReadKey(path / "ark_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey ask_key, ReadKey(path / "ask_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey leaf_key, ReadKey(path / "leaf_key.der"));
  KMS_ASSIGN_OR_RETURN(
      Certificate ark,
      ReadCertificate(path / absl::StrCat(kAnchorName, ".pem")));
  KMS_ASSIGN_OR_RETURN(Certificate ask,
                       ReadCertificate(path / "cert_chain.pem"));
  std::error_code error;
  const bool vlek = fs::exists(path / "vlek.der", error);
  KMS_ASSIGN_OR_RETURN(
      Certificate leaf,
      ReadCertificate(path / (vlek ? "vlek.der" : "vcek.der")));
  KMS_ASSIGN_OR_RETURN(sev_snp::KeyCertificate key,
                       sev_snp::ReadKeyCertificateLeaf(leaf));
  return SimulatedSnp(std::move(ark_key), std::move(ask_key),
                      std::move(leaf_key), std::move(ark), std::move(ask),
                      std::move(leaf), std::move(key));
}

absl::Status SimulatedSnp::Save(const std::string& folder) const {
  const fs::path path(folder);
  KMS_RETURN_IF_ERROR(
      WriteFile(path / absl::StrCat(kAnchorName, ".pem"),
                x509::ToPem(AsBytes(ark_.der()), "CERTIFICATE")));
  KMS_RETURN_IF_ERROR(WriteFile(path / "cert_chain.pem", CertChainPem()));
  KMS_RETURN_IF_ERROR(
      WriteFile(path / (vlek() ? "vlek.der" : "vcek.der"), leaf_.der()));
  KMS_RETURN_IF_ERROR(WriteFile(path / "ark_key.der", ark_key_.Pkcs8()));
  KMS_RETURN_IF_ERROR(WriteFile(path / "ask_key.der", ask_key_.Pkcs8()));
  return WriteFile(path / "leaf_key.der", leaf_key_.Pkcs8());
}

UnverifiedReport SimulatedSnp::MakeReport(BytesView report_data,
                                          const SnpGuest& guest) const {
  UnverifiedReport report;
  report.version = guest.version;
  report.guest_svn = guest.guest_svn;
  report.policy = guest.policy;
  report.vmpl = guest.vmpl;
  report.platform_info = guest.platform_info;
  report.signing_key = key_.kind;
  Copy(report_data, report.report_data);
  Copy(AsBytes(guest.measurement), report.measurement);
  Copy(AsBytes(guest.host_data), report.host_data);
  report.report_id.fill(0x1d);
  report.report_id_ma.fill(0xff);  // No migration agent.
  const sev_snp::RawTcb tcb = sev_snp::EncodeTcb(key_.tcb, key_.product);
  report.current_tcb = report.reported_tcb = tcb;
  report.committed_tcb = report.launch_tcb = tcb;
  report.current_firmware = {.major = 1, .minor = 58, .build = 1};
  report.committed_firmware = report.current_firmware;
  Copy(AsBytes(key_.hwid), report.chip_id);
  if (guest.version >= 3) {
    switch (key_.product) {
      case Product::kMilan:
        report.cpuid = {0x19, 0x01, 0x01};
        break;
      case Product::kGenoa:
        report.cpuid = {0x19, 0x11, 0x01};
        break;
      case Product::kTurin:
        report.cpuid = {0x1a, 0x02, 0x01};
        break;
    }
  }
  return report;
}

std::string SimulatedSnp::Sign(const UnverifiedReport& report) const {
  return SignBytes(
      sev_snp::SerializeReport(report).substr(0, sev_snp::kSignedBytes));
}

std::string SimulatedSnp::SignBytes(const std::string& signed_bytes) const {
  const absl::StatusOr<std::string> raw = crypto::EcdsaDerToRaw(
      crypto::Curve::kP384,
      AsBytes(leaf_key_.Sign(SignatureScheme::kEcdsaSha384,
                             AsBytes(signed_bytes))));
  Require(raw.ok(), "simtee: signature");
  std::string report = signed_bytes;
  report.resize(sev_snp::kReportBytes, '\0');
  // r and s are little-endian, each in a field of 72 bytes.
  std::copy(raw->rend() - 48, raw->rend(),
            report.begin() + sev_snp::kSignedBytes);
  std::copy(raw->rbegin(), raw->rbegin() + 48,
            report.begin() + sev_snp::kSignedBytes + 72);
  return report;
}

std::string SimulatedSnp::CertChainPem() const {
  return x509::ToPem(AsBytes(ask_.der()), "CERTIFICATE") +
         x509::ToPem(AsBytes(ark_.der()), "CERTIFICATE");
}

v1::Evidence SimulatedSnp::Wrap(const std::string& report) const {
  v1::Evidence evidence;
  evidence.set_type(v1::SEV_SNP);
  const auto add = [&evidence](const char* role, std::string content) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role(role);
    file->set_content(std::move(content));
  };
  add("evidence", report);
  add(vlek() ? "vlek" : "vcek", leaf_.der());
  add("cert_chain", CertChainPem());
  return evidence;
}

v1::Evidence SimulatedSnp::Attest(BytesView report_data,
                                  const SnpGuest& guest) const {
  return Wrap(Sign(MakeReport(report_data, guest)));
}

policy::TrustAnchor SimulatedSnp::Anchor() const {
  return policy::AnchorFromCertificate(kAnchorName, v1::SEV_SNP, ark_,
                                       /*simulated=*/true);
}

}  // namespace kms::simtee
