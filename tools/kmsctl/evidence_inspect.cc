#include "tools/kmsctl/evidence_inspect.h"

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/bytes.h"
#include "policy/sev_snp/endorsements.h"
#include "policy/sev_snp/key_certificate.h"
#include "policy/sev_snp/report.h"
#include "policy/verifier/verifier.h"
#include "tools/kmsctl/inspect_cca.h"
#include "tools/kmsctl/inspect_dcap.h"
#include "tools/kmsctl/inspect_event_log.h"
#include "tools/kmsctl/inspect_nitro.h"
#include "tools/kmsctl/inspect_nvidia.h"
#include "tools/kmsctl/inspect_rows.h"
#include "tools/kmsctl/inspect_tpm.h"

namespace kms::kmsctl {
namespace {

using sev_snp::Product;
using sev_snp::RawTcb;
using sev_snp::Tcb;
using sev_snp::UnverifiedReport;

std::string TcbText(const RawTcb& raw, std::optional<Product> product) {
  const std::string hex = Hex(BytesView(raw));
  if (!product.has_value()) return absl::StrCat(hex, " (product unknown)");
  const absl::StatusOr<Tcb> tcb = sev_snp::DecodeTcb(raw, *product);
  if (!tcb.ok()) return absl::StrCat(hex, " (reserved bytes set)");
  return absl::StrFormat("%s  fmc %d, bootloader %d, tee %d, snp %d, ucode %d",
                         hex, tcb->fmc, tcb->bootloader, tcb->tee, tcb->snp,
                         tcb->microcode);
}

// "smt, ecc" for the bits that are set.
template <size_t N>
std::string Bits(uint64_t value,
                 const std::pair<uint64_t, absl::string_view> (&names)[N]) {
  std::string text = absl::StrFormat("0x%x", value);
  for (const auto& [bit, name] : names) {
    if ((value & bit) != 0) absl::StrAppend(&text, " ", std::string(name));
  }
  return text;
}

constexpr std::pair<uint64_t, absl::string_view> kPolicyNames[] = {
    {sev_snp::kPolicySmt, "smt"},
    {sev_snp::kPolicyMigrateMa, "MIGRATE_MA"},
    {sev_snp::kPolicyDebug, "DEBUG"},
    {sev_snp::kPolicySingleSocket, "single-socket"},
    {sev_snp::kPolicyCxl, "cxl"},
    {sev_snp::kPolicyMemAes256Xts, "aes-256-xts"},
    {sev_snp::kPolicyRaplDisabled, "rapl-disabled"},
    {sev_snp::kPolicyCiphertextHiding, "ciphertext-hiding"},
    {sev_snp::kPolicyPageSwapDisabled, "page-swap-disabled"},
};
constexpr std::pair<uint64_t, absl::string_view> kPlatformNames[] = {
    {sev_snp::kPlatformSmt, "smt"},
    {sev_snp::kPlatformTsme, "tsme"},
    {sev_snp::kPlatformEcc, "ecc"},
    {sev_snp::kPlatformRaplOff, "rapl-off"},
    {sev_snp::kPlatformCiphertextHiding, "ciphertext-hiding"},
    {sev_snp::kPlatformAliasCheck, "alias-check-complete"},
    {sev_snp::kPlatformIommuWriteSafe, "iommu-write-safe"},
    {sev_snp::kPlatformTio, "tio"},
};

void ShowReport(const UnverifiedReport& report, std::optional<Product> product,
                std::string& out) {
  Row("report version", absl::StrCat(report.version), out);
  Row("product",
      product.has_value() ? sev_snp::ProductName(*product) : "(not known)",
      out);
  Row("measurement", Hex(BytesView(report.measurement)), out);
  Row("report_data", Hex(BytesView(report.report_data)), out);
  Row("host_data", Hex(BytesView(report.host_data)), out);
  Row("chip_id", Hex(BytesView(report.chip_id)), out);
  Row("vmpl", absl::StrCat(report.vmpl), out);
  Row("policy", Bits(report.policy, kPolicyNames), out);
  Row("platform_info", Bits(report.platform_info, kPlatformNames), out);
  Row("tcb current", TcbText(report.current_tcb, product), out);
  Row("tcb committed", TcbText(report.committed_tcb, product), out);
  Row("tcb launch", TcbText(report.launch_tcb, product), out);
  Row("tcb reported", TcbText(report.reported_tcb, product), out);
}

void ShowSnp(const v1::Evidence& evidence, std::string& out) {
  std::optional<UnverifiedReport> report;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "evidence") continue;
    absl::StatusOr<UnverifiedReport> parsed =
        sev_snp::ParseReport(AsBytes(file.content()));
    if (!parsed.ok()) {
      Row("report", parsed.status().message(), out);
      return;
    }
    report = *std::move(parsed);
  }
  if (!report.has_value()) {
    Row("report", "(none)", out);
    return;
  }
  const absl::StatusOr<sev_snp::Endorsements> endorsements =
      sev_snp::SortEndorsements(report->signing_key, evidence, nullptr);
  std::optional<sev_snp::KeyCertificate> key;
  if (endorsements.ok()) {
    const absl::StatusOr<sev_snp::KeyCertificate> leaf =
        sev_snp::ReadKeyCertificateLeaf(*endorsements->leaf);
    if (leaf.ok()) key = *leaf;
  }
  std::optional<Product> product =
      sev_snp::ProductOf(report->cpuid[0], report->cpuid[1]);
  if (report->version < 3) product.reset();
  if (!product.has_value() && key.has_value()) product = key->product;
  ShowReport(*report, product, out);
  if (!endorsements.ok()) {
    Row("endorsements", endorsements.status().message(), out);
    return;
  }
  if (key.has_value()) {
    Row("tcb of certificate",
        TcbText(sev_snp::EncodeTcb(key->tcb, key->product), key->product), out);
    Row("chip of certificate", key->hwid.empty() ? "(any)" : Hex(key->hwid),
        out);
    if (!key->csp_id.empty()) Row("cloud provider", key->csp_id, out);
  }
  ShowCertificate("signing key", *endorsements->leaf, out);
  for (const x509::Certificate& ca : endorsements->offered) {
    ShowCertificate("offered", ca, out);
  }
  for (const x509::Crl& crl : endorsements->crls) {
    Row("crl",
        absl::StrCat(crl.revoked_count(), " revoked, ", Date(crl.this_update()),
                     " to ", Date(crl.next_update())),
        out);
  }
}

}  // namespace

std::string InspectBundle(const v1::EvidenceBundle& bundle) {
  std::string out;
  for (const v1::Evidence& evidence : bundle.evidence()) {
    absl::StrAppend(
        &out, std::string(policy::EvidenceTypeName(evidence.type())), "\n");
    for (const v1::EvidenceFile& file : evidence.files()) {
      Row("file",
          absl::StrCat(file.role(), ", ", file.content().size(), " bytes"),
          out);
    }
    if (evidence.type() == v1::SEV_SNP) ShowSnp(evidence, out);
    if (evidence.type() == v1::TDX || evidence.type() == v1::SGX) {
      ShowDcap(evidence, "evidence", out);
    }
    if (evidence.type() == v1::NITRO) ShowNitro(evidence, out);
    if (evidence.type() == v1::NVIDIA_GPU) ShowNvidia(evidence, out);
    if (evidence.type() == v1::ARM_CCA) ShowCca(evidence, out);
    if (evidence.type() == v1::TPM) ShowTpm(evidence, out);
    if (evidence.type() == v1::AZ_SNP_VTPM ||
        evidence.type() == v1::AZ_TDX_VTPM) {
      v1::Evidence hardware;
      ShowAzVtpm(evidence, hardware, out);
      ShowTpm(evidence, out);
      if (hardware.type() == v1::SEV_SNP) ShowSnp(hardware, out);
      if (hardware.type() == v1::TDX) ShowDcap(hardware, "evidence", out);
    }
    ShowEventLog(evidence, out);
  }
  return out;
}

}  // namespace kms::kmsctl
