#include "tools/kmsctl/inspect_dcap.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/dcap/collateral.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/dcap/qe_identity.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/rating.h"
#include "policy/dcap/tcb_info.h"
#include "policy/dcap/tcb_status.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

using dcap::PckExtension;
using dcap::QeIdentity;
using dcap::SgxReport;
using dcap::TcbInfo;
using dcap::TdReport;
using dcap::UnverifiedQuote;

template <size_t N>
std::string HexOf(const std::array<uint8_t, N>& bytes) {
  return Hex(BytesView(bytes));
}

// "3.3.2.2.4.1.0.5": zeros at the end left out.
std::string Svns(const dcap::TcbComponents& components) {
  size_t size = components.size();
  while (size > 1 && components[size - 1] == 0) --size;
  return absl::StrJoin(components.begin(), components.begin() + size, ".");
}

template <size_t N>
std::string Bits(uint64_t value,
                 const std::pair<uint64_t, absl::string_view> (&names)[N]) {
  std::string text = absl::StrFormat("0x%x", value);
  for (const auto& [bit, name] : names) {
    if ((value & bit) != 0) absl::StrAppend(&text, " ", name);
  }
  return text;
}

constexpr std::pair<uint64_t, absl::string_view> kTdNames[] = {
    {dcap::kTdDebug, "DEBUG"},
    {dcap::kTdMigratable, "MIGRATABLE"},
    {dcap::kTdSeptVeDisable, "sept-ve-disable"},
    {dcap::kTdLass, "lass"},
    {dcap::kTdPks, "pks"},
    {dcap::kTdKl, "kl"},
    {dcap::kTdTpa, "tpa"},
    {dcap::kTdPerfmon, "perfmon"},
};
constexpr std::pair<uint64_t, absl::string_view> kSgxNames[] = {
    {dcap::kSgxInit, "init"},
    {dcap::kSgxDebug, "DEBUG"},
    {dcap::kSgxMode64Bit, "mode64bit"},
    {dcap::kSgxProvisionKey, "provision-key"},
    {dcap::kSgxEinittokenKey, "einittoken-key"},
    {dcap::kSgxCet, "cet"},
    {dcap::kSgxKss, "kss"},
    {dcap::kSgxAexNotify, "aex-notify"},
};

void ShowTd(const TdReport& td, std::string& out) {
  Row("body", td.is_15 ? "TD 1.5" : "TD 1.0", out);
  Row("mrtd", HexOf(td.mrtd), out);
  for (size_t i = 0; i < td.rtmr.size(); ++i) {
    Row(absl::StrCat("rtmr", i), HexOf(td.rtmr[i]), out);
  }
  Row("report_data", HexOf(td.report_data), out);
  Row("attributes", Bits(td.attributes, kTdNames), out);
  Row("xfam", absl::StrFormat("0x%x", td.xfam), out);
  Row("mrconfigid", HexOf(td.mrconfigid), out);
  Row("mrowner", HexOf(td.mrowner), out);
  Row("mrownerconfig", HexOf(td.mrownerconfig), out);
  Row("mrseam", HexOf(td.mrseam), out);
  Row("tee_tcb_svn", Svns(td.tee_tcb_svn), out);
  if (!td.is_15) return;
  Row("tee_tcb_svn_2", Svns(td.tee_tcb_svn_2), out);
  Row("mrservicetd", HexOf(td.mrservicetd), out);
}

void ShowSgx(const SgxReport& report, std::string& out) {
  Row("mrenclave", HexOf(report.mrenclave), out);
  Row("mrsigner", HexOf(report.mrsigner), out);
  Row("isv",
      absl::StrCat("product ", report.isv_prod_id, ", svn ", report.isv_svn),
      out);
  Row("report_data", HexOf(report.report_data), out);
  Row("attributes", Bits(report.attributes, kSgxNames), out);
  Row("xfrm", absl::StrFormat("0x%x", report.xfrm), out);
}

void ShowPck(const PckExtension& pck, std::string& out) {
  Row("fmspc", HexOf(pck.fmspc), out);
  Row("ppid", HexOf(pck.ppid), out);
  if (pck.platform_instance_id.has_value()) {
    Row("platform instance", HexOf(*pck.platform_instance_id), out);
  }
  Row("platform tcb",
      absl::StrCat("sgx ", Svns(pck.components), ", pce ", pck.pce_svn), out);
}

std::string Advisories(const std::vector<std::string>& advisories) {
  if (advisories.empty()) return "";
  return absl::StrCat(", ", Printable(absl::StrJoin(advisories, " ")));
}

void ShowIsvLevels(absl::string_view name,
                   const std::vector<dcap::IsvLevel>& levels,
                   std::string& out) {
  for (const dcap::IsvLevel& level : levels) {
    Row(name,
        absl::StrCat("svn ", level.isv_svn, ": ",
                     dcap::TcbStatusName(level.status), " ", Date(level.date),
                     Advisories(level.advisories)),
        out);
  }
}

void ShowTcbInfo(const TcbInfo& info, std::string& out) {
  Row("tcb_info",
      absl::StrCat(info.Subject(), ", number ", info.evaluation_data_number,
                   ", ", Date(info.issued), " to ", Date(info.next_update)),
      out);
  for (const dcap::TcbLevel& level : info.levels) {
    Row("level",
        absl::StrCat("sgx ", Svns(level.sgx), ", pce ", level.pce_svn,
                     info.tee == dcap::TeeKind::kTdx ? ", tdx " : "",
                     info.tee == dcap::TeeKind::kTdx ? Svns(level.tdx) : "",
                     ": ", dcap::TcbStatusName(level.status), " ",
                     Date(level.date), Advisories(level.advisories)),
        out);
  }
  for (const dcap::TdxModuleIdentity& identity : info.identities) {
    ShowIsvLevels(absl::StrFormat("TDX module %02x", identity.version),
                  identity.levels, out);
  }
}

void ShowQeIdentity(const QeIdentity& identity, std::string& out) {
  Row("qe_identity",
      absl::StrCat(identity.Subject(), ", number ",
                   identity.evaluation_data_number, ", ", Date(identity.issued),
                   " to ", Date(identity.next_update)),
      out);
  ShowIsvLevels("level", identity.levels, out);
}

void ShowCrl(const v1::Evidence& evidence, absl::string_view role,
             std::string& out) {
  const std::string* file = policy::FindFile(evidence, role);
  if (file == nullptr) return;
  const absl::StatusOr<x509::Crl> crl = dcap::ParseCrlFile(AsBytes(*file));
  Row(role,
      crl.ok() ? absl::StrCat(crl->revoked_count(), " revoked, ",
                              Date(crl->this_update()), " to ",
                              Date(crl->next_update()))
               : std::string(crl.status().message()),
      out);
}

// `file` by `parse` into `to`, or a line that says why not.
template <typename T>
void ReadJson(const v1::Evidence& evidence, absl::string_view role,
              absl::StatusOr<T> (*parse)(BytesView), std::optional<T>& to,
              std::string& out) {
  const std::string* file = policy::FindFile(evidence, role);
  if (file == nullptr) {
    Row(role, "(none)", out);
    return;
  }
  absl::StatusOr<T> parsed = parse(AsBytes(*file));
  if (parsed.ok()) {
    to = *std::move(parsed);
  } else {
    Row(role, parsed.status().message(), out);
  }
}

std::optional<PckExtension> ShowChain(const UnverifiedQuote& quote,
                                      std::string& out) {
  const absl::StatusOr<std::vector<x509::Certificate>> chain =
      dcap::ParseChainFile(AsBytes(quote.pck_chain));
  if (!chain.ok()) {
    Row("pck chain", chain.status().message(), out);
    return std::nullopt;
  }
  for (const x509::Certificate& certificate : *chain) {
    ShowCertificate("certificate", certificate, out);
  }
  const x509::Extension* extension =
      chain->front().FindExtension(dcap::kSgxExtensionOid);
  if (extension == nullptr) {
    Row("sgx extension", "(none)", out);
    return std::nullopt;
  }
  const absl::StatusOr<PckExtension> pck =
      dcap::ParsePckExtension(AsBytes(extension->value));
  if (!pck.ok()) {
    Row("sgx extension", pck.status().message(), out);
    return std::nullopt;
  }
  ShowPck(*pck, out);
  return *pck;
}

}  // namespace

void ShowDcap(const v1::Evidence& evidence, absl::string_view role,
              std::string& out) {
  const std::string* file = policy::FindFile(evidence, role);
  if (file == nullptr) {
    Row("quote", "(none)", out);
    return;
  }
  const absl::StatusOr<UnverifiedQuote> quote =
      dcap::ParseQuote(AsBytes(*file));
  if (!quote.ok()) {
    Row("quote", quote.status().message(), out);
    return;
  }
  Row("quote version", absl::StrCat(quote->version), out);
  if (quote->td.has_value()) {
    ShowTd(*quote->td, out);
  } else {
    ShowSgx(*quote->sgx, out);
  }
  Row("quoting enclave",
      absl::StrCat("mrsigner ", HexOf(quote->qe_report.mrsigner), ", svn ",
                   quote->qe_report.isv_svn),
      out);
  Row("after the signature", absl::StrCat(quote->rest.size(), " bytes"), out);
  const std::optional<PckExtension> pck = ShowChain(*quote, out);
  ShowCrl(evidence, "pck_crl", out);
  ShowCrl(evidence, "root_ca_crl", out);
  std::optional<TcbInfo> info;
  std::optional<QeIdentity> identity;
  ReadJson(evidence, "tcb_info", dcap::ParseTcbInfoFile, info, out);
  ReadJson(evidence, "qe_identity", dcap::ParseQeIdentityFile, identity, out);
  if (info.has_value()) ShowTcbInfo(*info, out);
  if (identity.has_value()) ShowQeIdentity(*identity, out);
  if (!pck.has_value() || !info.has_value() || !identity.has_value() ||
      info->tee != quote->tee) {
    return;
  }
  const absl::StatusOr<dcap::TcbRating> rating =
      dcap::RateTcb(*quote, *pck, *info, *identity);
  Row("rated",
      rating.ok() ? absl::StrCat(dcap::TcbStatusName(rating->status),
                                 Advisories(rating->advisories))
                  : std::string(rating.status().message()),
      out);
}

}  // namespace kms::kmsctl
