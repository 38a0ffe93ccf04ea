#include "tools/simtee/tdx.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/pem.h"

namespace kms::simtee {
namespace {

namespace fs = std::filesystem;
using dcap::PckExtension;
using dcap::SgxReport;
using dcap::TdReport;
using dcap::TeeKind;
using dcap::UnverifiedQuote;
using x509::Certificate;
using x509::CertificateSpec;
using x509::Extension;
using x509::IssuerKey;
using x509::SignatureScheme;

constexpr SignatureScheme kScheme = SignatureScheme::kEcdsaSha256;
constexpr char kPem[] = "CERTIFICATE";
constexpr size_t kKeyIdBytes = 20;

// The quoting enclave's MRSIGNER and ISVSVN: as good as any, and not Intel's.
constexpr uint8_t kQeSigner = 0xe5;
constexpr uint16_t kQeIsvSvn = 8;

// What we issue ourselves is valid, or the simulator is broken.
void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string IntelName(absl::string_view common_name) {
  return x509::MakeName({{"2.5.4.3", std::string(common_name)},
                         {"2.5.4.10", "Intel Corporation"},
                         {"2.5.4.7", "Santa Clara"},
                         {"2.5.4.8", "CA"},
                         {"2.5.4.6", "US"}});
}

std::string KeyId(const IssuerKey& key) {
  return crypto::Sha256(AsBytes(key.Spki())).substr(0, kKeyIdBytes);
}

Extension MakeSubjectKeyId(const IssuerKey& key) {
  return {.oid = "2.5.29.14",
          .critical = false,
          .value = x509::DerEncode(x509::kDerOctetString, KeyId(key))};
}

Extension MakeAuthorityKeyId(const std::string& id) {
  return {.oid = "2.5.29.35",
          .critical = false,
          .value = x509::DerEncode(x509::kDerSequence,
                                   x509::DerEncode(x509::DerContext(0), id))};
}

// CRLNumber.
Extension MakeNumber() {
  return {.oid = "2.5.29.20", .critical = false, .value = x509::DerU32(1)};
}

Certificate Issue(const CertificateSpec& spec, const IssuerKey& issuer) {
  absl::StatusOr<Certificate> certificate =
      Certificate::Parse(AsBytes(x509::IssueCertificate(spec, issuer)));
  Require(certificate.ok(), "simtee: issued a bad certificate");
  return *std::move(certificate);
}

template <size_t N>
void Copy(absl::string_view from, std::array<uint8_t, N>& to) {
  std::copy_n(from.begin(), std::min(from.size(), N), to.begin());
}

template <size_t N>
std::string HexOf(const std::array<uint8_t, N>& bytes) {
  return Hex(BytesView(bytes));
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

// As good as random, and the same for the same key.
PckExtension MakeExtension(const TdxOptions& options, const IssuerKey& key) {
  const std::string id = crypto::Sha256(AsBytes(key.Spki()));
  PckExtension extension;
  Copy(id.substr(0, 16), extension.ppid);
  extension.components = {7, 7, 2, 2, 4, 1, 0, 5};
  extension.pce_svn = 13;
  extension.cpu_svn = extension.components;
  extension.fmspc = {0x00, 0x80, 0x6f, 0x51, 0x00, 0x00};
  if (options.platform_ca) {
    extension.sgx_type = 1;
    Copy(id.substr(16), extension.platform_instance_id.emplace());
    extension.configuration = {
        .dynamic_platform = true, .cached_keys = true, .smt_enabled = true};
  }
  return extension;
}

// One field of the SGX extension.
std::string Field(absl::string_view arc, absl::string_view value) {
  return x509::DerEncode(
      x509::kDerSequence,
      absl::StrCat(x509::DerOid(absl::StrCat(dcap::kSgxExtensionOid, ".", arc)),
                   value));
}
std::string Octets(BytesView bytes) {
  return x509::DerEncode(x509::kDerOctetString, AsStringView(bytes));
}

std::string Components(const std::array<uint8_t, 16>& svns) {
  return absl::StrCat("[",
                      absl::StrJoin(svns, ",",
                                    [](std::string* out, uint8_t svn) {
                                      absl::StrAppend(out, "{\"svn\":", svn,
                                                      "}");
                                    }),
                      "]");
}

std::string Level(const PckExtension& pck, TeeKind tee,
                  const std::array<uint8_t, 16>& sgx,
                  const std::array<uint8_t, 16>& tdx, absl::string_view rest) {
  return absl::StrCat("{\"tcb\":{\"sgxtcbcomponents\":", Components(sgx),
                      ",\"pcesvn\":", pck.pce_svn,
                      tee == TeeKind::kTdx ? ",\"tdxtcbcomponents\":" : "",
                      tee == TeeKind::kTdx ? Components(tdx) : "", "},", rest,
                      "}");
}

std::string IsvLevel(int isv_svn, absl::string_view rest) {
  return absl::StrCat("{\"tcb\":{\"isvsvn\":", isv_svn, "},", rest, "}");
}

constexpr absl::string_view kUpToDate =
    R"("tcbDate":"2024-11-13T00:00:00Z","tcbStatus":"UpToDate")";
constexpr absl::string_view kOutOfDate =
    R"("tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"OutOfDate",)"
    R"("advisoryIDs":["SIMULATED-SA-00002","SIMULATED-SA-00001"])";
constexpr absl::string_view kModuleOutOfDate =
    R"("tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"OutOfDate",)"
    R"("advisoryIDs":["SIMULATED-SA-00003"])";

std::string Module() {
  return absl::StrCat("\"mrsigner\":\"", std::string(96, '0'),
                      "\",\"attributes\":\"0000000000000000\","
                      "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"");
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

absl::StatusOr<IssuerKey> ReadKey(const fs::path& path) {
  KMS_ASSIGN_OR_RETURN(const std::string der, ReadFile(path));
  return IssuerKey::FromPkcs8(AsBytes(der));
}

std::string RootName(TeeKind tee) {
  return tee == TeeKind::kTdx ? "simulated-tdx-root" : "simulated-sgx-root";
}

}  // namespace

std::string SerializePckExtension(const PckExtension& extension) {
  std::string tcb;
  int arc = 0;
  for (uint8_t component : extension.components) {
    tcb += Field(absl::StrCat("2.", ++arc), x509::DerU32(component));
  }
  tcb += Field("2.17", x509::DerU32(extension.pce_svn));
  tcb += Field("2.18", Octets(BytesView(extension.cpu_svn)));
  std::string fields =
      Field("1", Octets(BytesView(extension.ppid))) +
      Field("2", x509::DerEncode(x509::kDerSequence, tcb)) +
      Field("3", Octets(BytesView(extension.pce_id))) +
      Field("4", Octets(BytesView(extension.fmspc))) +
      Field("5", x509::DerEncode(
                     x509::kDerEnumerated,
                     std::string(1, static_cast<char>(extension.sgx_type))));
  if (extension.platform_instance_id.has_value()) {
    fields += Field("6", Octets(BytesView(*extension.platform_instance_id)));
  }
  if (extension.configuration.has_value()) {
    fields += Field(
        "7",
        x509::DerEncode(
            x509::kDerSequence,
            Field("7.1",
                  x509::DerBoolean(extension.configuration->dynamic_platform)) +
                Field("7.2",
                      x509::DerBoolean(extension.configuration->cached_keys)) +
                Field("7.3",
                      x509::DerBoolean(extension.configuration->smt_enabled))));
  }
  return x509::DerEncode(x509::kDerSequence, fields);
}

std::array<uint8_t, 64> RawPoint(const IssuerKey& key) {
  const std::string spki = key.Spki();  // Ends in the uncompressed point.
  std::array<uint8_t, 64> point{};
  Copy(spki.substr(spki.size() - point.size()), point);
  return point;
}

std::array<uint8_t, 64> RawSignature(const IssuerKey& key,
                                     absl::string_view message) {
  const absl::StatusOr<std::string> raw = crypto::EcdsaDerToRaw(
      crypto::Curve::kP256, AsBytes(key.Sign(kScheme, AsBytes(message))));
  Require(raw.ok(), "simtee: signature");
  std::array<uint8_t, 64> signature{};
  Copy(*raw, signature);
  return signature;
}

CertificateSpec SimulatedTdx::Spec(const IssuerKey& key,
                                   const IssuerKey& issuer) const {
  CertificateSpec spec;
  spec.scheme = kScheme;
  spec.not_before = options_.not_before;
  spec.not_after = options_.not_after;
  spec.spki = key.Spki();
  spec.extensions = {MakeSubjectKeyId(key), MakeAuthorityKeyId(KeyId(issuer))};
  return spec;
}

CertificateSpec SimulatedTdx::RootSpec() const {
  CertificateSpec spec = Spec(keys_.root, keys_.root);
  spec.issuer = spec.subject = IntelName(dcap::kRootCaName);
  spec.extensions.push_back(
      x509::MakeKeyUsage(x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign));
  spec.extensions.push_back(x509::MakeBasicConstraints(true, 1));
  return spec;
}

CertificateSpec SimulatedTdx::PckCaSpec() const {
  CertificateSpec spec = Spec(keys_.pck_ca, keys_.root);
  spec.serial = std::string(1, '\2');
  spec.issuer = IntelName(dcap::kRootCaName);
  spec.subject = IntelName(options_.platform_ca ? dcap::kPlatformCaName
                                                : dcap::kProcessorCaName);
  spec.extensions.push_back(
      x509::MakeKeyUsage(x509::kKeyUsageCertSign | x509::kKeyUsageCrlSign));
  spec.extensions.push_back(x509::MakeBasicConstraints(true, 0));
  return spec;
}

CertificateSpec SimulatedTdx::PckSpec() const {
  CertificateSpec spec = Spec(keys_.pck, keys_.pck_ca);
  spec.serial = std::string(1, '\3');
  spec.issuer = PckCaSpec().subject;
  spec.subject = IntelName(dcap::kPckName);
  spec.extensions.push_back(
      x509::MakeKeyUsage(x509::kKeyUsageDigitalSignature));
  spec.extensions.push_back(x509::MakeBasicConstraints(false, std::nullopt));
  spec.extensions.push_back({.oid = std::string(dcap::kSgxExtensionOid),
                             .critical = false,
                             .value = SerializePckExtension(extension_)});
  return spec;
}

CertificateSpec SimulatedTdx::TcbSigningSpec() const {
  CertificateSpec spec = Spec(keys_.tcb_signing, keys_.root);
  spec.serial = std::string(1, '\4');
  spec.issuer = IntelName(dcap::kRootCaName);
  spec.subject = IntelName(dcap::kTcbSigningName);
  spec.extensions.push_back(
      x509::MakeKeyUsage(x509::kKeyUsageDigitalSignature));
  spec.extensions.push_back(x509::MakeBasicConstraints(false, std::nullopt));
  return spec;
}

SimulatedTdx::SimulatedTdx(const TdxOptions& options, Keys keys)
    : options_(options),
      keys_(std::move(keys)),
      extension_(MakeExtension(options, keys_.pck)),
      root_(Issue(RootSpec(), keys_.root)),
      pck_ca_(Issue(PckCaSpec(), keys_.root)),
      pck_(Issue(PckSpec(), keys_.pck_ca)),
      tcb_signing_(Issue(TcbSigningSpec(), keys_.root)) {}

SimulatedTdx SimulatedTdx::Create(const TdxOptions& options) {
  const auto key = [] { return IssuerKey::GenerateEc(crypto::Curve::kP256); };
  return SimulatedTdx(options, {.root = key(),
                                .pck_ca = key(),
                                .pck = key(),
                                .tcb_signing = key(),
                                .attestation = key()});
}

absl::StatusOr<SimulatedTdx> SimulatedTdx::Load(const std::string& folder) {
  const fs::path path(folder);
  KMS_ASSIGN_OR_RETURN(IssuerKey root, ReadKey(path / "root_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey pck_ca, ReadKey(path / "pck_ca_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey pck, ReadKey(path / "pck_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey signing,
                       ReadKey(path / "tcb_signing_key.der"));
  KMS_ASSIGN_OR_RETURN(IssuerKey attestation,
                       ReadKey(path / "attestation_key.der"));
  KMS_ASSIGN_OR_RETURN(const std::string chain,
                       ReadFile(path / "pck_chain.pem"));
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                       x509::ParseCertificates(AsBytes(chain)));
  TdxOptions options;
  std::error_code error;
  options.tee = fs::exists(path / (RootName(TeeKind::kSgx) + ".pem"), error)
                    ? TeeKind::kSgx
                    : TeeKind::kTdx;
  options.platform_ca =
      certificates.front().IssuerCommonName() == dcap::kPlatformCaName;
  options.not_before = certificates.front().not_before();
  options.not_after = certificates.front().not_after();
  // Certificates are issued anew by the same keys: an anchor pins the key.
  return SimulatedTdx(options, {.root = std::move(root),
                                .pck_ca = std::move(pck_ca),
                                .pck = std::move(pck),
                                .tcb_signing = std::move(signing),
                                .attestation = std::move(attestation)});
}

absl::Status SimulatedTdx::Save(const std::string& folder) const {
  const fs::path path(folder);
  KMS_RETURN_IF_ERROR(WriteFile(path / (RootName(options_.tee) + ".pem"),
                                x509::ToPem(AsBytes(root_.der()), kPem)));
  KMS_RETURN_IF_ERROR(WriteFile(path / "pck_chain.pem", PckChainPem()));
  KMS_RETURN_IF_ERROR(WriteFile(path / "root_key.der", keys_.root.Pkcs8()));
  KMS_RETURN_IF_ERROR(WriteFile(path / "pck_ca_key.der", keys_.pck_ca.Pkcs8()));
  KMS_RETURN_IF_ERROR(WriteFile(path / "pck_key.der", keys_.pck.Pkcs8()));
  KMS_RETURN_IF_ERROR(
      WriteFile(path / "tcb_signing_key.der", keys_.tcb_signing.Pkcs8()));
  return WriteFile(path / "attestation_key.der", keys_.attestation.Pkcs8());
}

UnverifiedQuote SimulatedTdx::MakeQuote(BytesView report_data,
                                        const TdxGuest& guest) const {
  UnverifiedQuote quote;
  quote.version = guest.version;
  quote.tee = TeeKind::kTdx;
  TdReport& td = quote.td.emplace();
  td.is_15 = guest.is_15 && guest.version >= 5;
  td.tee_tcb_svn = guest.tee_tcb_svn;
  if (td.is_15) td.tee_tcb_svn_2 = guest.tee_tcb_svn;
  td.mrseam.fill(0x5e);
  td.attributes = guest.attributes;
  td.xfam = guest.xfam;
  Copy(guest.mrtd, td.mrtd);
  for (size_t i = 0; i < td.rtmr.size(); ++i) Copy(guest.rtmr[i], td.rtmr[i]);
  Copy(AsStringView(report_data), td.report_data);
  return quote;
}

UnverifiedQuote SimulatedTdx::MakeSgxQuote(BytesView report_data,
                                           const SgxEnclave& enclave) const {
  UnverifiedQuote quote;
  quote.version = 3;
  quote.tee = TeeKind::kSgx;
  quote.qe_svn = kQeIsvSvn;
  quote.pce_svn = extension_.pce_svn;
  SgxReport& report = quote.sgx.emplace();
  report.cpu_svn = extension_.cpu_svn;
  report.attributes = enclave.attributes;
  report.xfrm = 0xe7;
  Copy(enclave.mrenclave, report.mrenclave);
  Copy(enclave.mrsigner, report.mrsigner);
  report.isv_prod_id = enclave.isv_prod_id;
  report.isv_svn = enclave.isv_svn;
  Copy(AsStringView(report_data), report.report_data);
  return quote;
}

std::string SimulatedTdx::Sign(UnverifiedQuote quote) const {
  quote.attestation_key = RawPoint(keys_.attestation);
  quote.qe_auth_data = std::string(32, '\x1f');
  quote.pck_chain = PckChainPem() + std::string(1, '\0');
  SgxReport& qe = quote.qe_report;
  qe.cpu_svn = extension_.cpu_svn;
  qe.attributes = dcap::kSgxInit | dcap::kSgxMode64Bit | dcap::kSgxProvisionKey;
  qe.xfrm = 0xe7;
  qe.mrenclave.fill(0xe4);
  qe.mrsigner.fill(kQeSigner);
  qe.isv_prod_id = options_.tee == TeeKind::kTdx ? 2 : 1;
  qe.isv_svn = kQeIsvSvn;
  qe.report_data.fill(0);
  Copy(crypto::Sha256Hasher()
           .Update(BytesView(quote.attestation_key))
           .Update(quote.qe_auth_data)
           .Finish(),
       qe.report_data);
  SignQe(quote);
  SignBody(quote);
  return dcap::SerializeQuote(quote);
}

void SimulatedTdx::SignQe(UnverifiedQuote& quote) const {
  quote.qe_report_signature =
      RawSignature(keys_.pck, dcap::SerializeSgxReport(quote.qe_report));
}

void SimulatedTdx::SignBody(UnverifiedQuote& quote) const {
  quote.signature =
      RawSignature(keys_.attestation, dcap::SerializeSigned(quote));
}

v1::Evidence SimulatedTdx::Attest(BytesView report_data,
                                  const TdxGuest& guest) const {
  return Wrap(Sign(MakeQuote(report_data, guest)));
}

v1::Evidence SimulatedTdx::AttestSgx(BytesView report_data,
                                     const SgxEnclave& enclave) const {
  return Wrap(Sign(MakeSgxQuote(report_data, enclave)));
}

v1::Evidence SimulatedTdx::Wrap(const std::string& quote) const {
  v1::Evidence evidence;
  evidence.set_type(options_.tee == TeeKind::kTdx ? v1::TDX : v1::SGX);
  const auto add = [&evidence](const char* role, std::string content) {
    v1::EvidenceFile* file = evidence.add_files();
    file->set_role(role);
    file->set_content(std::move(content));
  };
  add("evidence", quote);
  add("tcb_info", SignJson("tcbInfo", TcbInfoBody()));
  add("tcb_info_issuer_chain", SignerChainPem());
  add("qe_identity", SignJson("enclaveIdentity", QeIdentityBody()));
  add("qe_identity_issuer_chain", SignerChainPem());
  add("pck_crl", PckCrl());
  add("root_ca_crl", RootCaCrl());
  return evidence;
}

policy::TrustAnchor SimulatedTdx::Anchor() const {
  return policy::AnchorFromCertificate(
      RootName(options_.tee), options_.tee == TeeKind::kTdx ? v1::TDX : v1::SGX,
      root_,
      /*simulated=*/true);
}

std::string SimulatedTdx::TcbInfoBody() const {
  const bool tdx = options_.tee == TeeKind::kTdx;
  std::array<uint8_t, 16> older = extension_.components;
  --older[1];
  std::string modules;
  if (tdx) {
    modules =
        absl::StrCat("\"tdxModule\":{", Module(), "},\"tdxModuleIdentities\":[",
                     "{\"id\":\"TDX_03\",", Module(), ",\"tcbLevels\":[",
                     IsvLevel(3, kUpToDate), "]},", "{\"id\":\"TDX_01\",",
                     Module(), ",\"tcbLevels\":[", IsvLevel(5, kUpToDate), ",",
                     IsvLevel(2, kModuleOutOfDate), "]}],");
  }
  return absl::StrCat(
      "{\"id\":\"", tdx ? "TDX" : "SGX", "\",\"version\":3,\"issueDate\":\"",
      Rfc3339(options_.not_before), "\",\"nextUpdate\":\"",
      Rfc3339(options_.not_after), "\",\"fmspc\":\"", HexOf(extension_.fmspc),
      "\",\"pceId\":\"", HexOf(extension_.pce_id),
      "\",\"tcbType\":0,\"tcbEvaluationDataNumber\":18,", modules,
      "\"tcbLevels\":[",
      Level(extension_, options_.tee, extension_.components, {5, 0, 6},
            kUpToDate),
      ",", Level(extension_, options_.tee, older, {3, 0, 4}, kOutOfDate), "]}");
}

std::string SimulatedTdx::QeIdentityBody() const {
  const bool tdx = options_.tee == TeeKind::kTdx;
  return absl::StrCat(
      "{\"id\":\"", tdx ? "TD_QE" : "QE", "\",\"version\":2,\"issueDate\":\"",
      Rfc3339(options_.not_before), "\",\"nextUpdate\":\"",
      Rfc3339(options_.not_after),
      "\",\"tcbEvaluationDataNumber\":17,\"miscselect\":\"00000000\","
      "\"miscselectMask\":\"FFFFFFFF\","
      "\"attributes\":\"11000000000000000000000000000000\","
      "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
      "\"mrsigner\":\"",
      Hex(std::string(32, static_cast<char>(kQeSigner))),
      "\",\"isvprodid\":", tdx ? 2 : 1, ",\"tcbLevels\":[",
      IsvLevel(kQeIsvSvn, kUpToDate), ",", IsvLevel(kQeIsvSvn - 2, kOutOfDate),
      "]}");
}

std::string SimulatedTdx::SignJson(absl::string_view name,
                                   absl::string_view body) const {
  return absl::StrCat("{\"", name, "\":", body, ",\"signature\":\"",
                      HexOf(RawSignature(keys_.tcb_signing, body)), "\"}");
}

std::string SimulatedTdx::PckChainPem() const {
  return x509::ToPem(AsBytes(pck_.der()), kPem) +
         x509::ToPem(AsBytes(pck_ca_.der()), kPem) +
         x509::ToPem(AsBytes(root_.der()), kPem);
}

std::string SimulatedTdx::SignerChainPem() const {
  return x509::ToPem(AsBytes(tcb_signing_.der()), kPem) +
         x509::ToPem(AsBytes(root_.der()), kPem);
}

x509::CrlSpec SimulatedTdx::MakeCrlSpec(const Certificate& issuer) const {
  x509::CrlSpec spec;
  spec.issuer = issuer.subject_der();
  spec.this_update = options_.not_before;
  spec.next_update = options_.not_after;
  spec.extensions = {MakeNumber(), MakeAuthorityKeyId(issuer.subject_key_id())};
  spec.scheme = kScheme;
  return spec;
}

x509::CrlSpec SimulatedTdx::RootCaCrlSpec() const { return MakeCrlSpec(root_); }
x509::CrlSpec SimulatedTdx::PckCrlSpec() const { return MakeCrlSpec(pck_ca_); }

std::string SimulatedTdx::RootCaCrl() const {
  return x509::IssueCrl(RootCaCrlSpec(), keys_.root);
}
std::string SimulatedTdx::PckCrl() const {
  return x509::IssueCrl(PckCrlSpec(), keys_.pck_ca);
}

}  // namespace kms::simtee
