#include "tools/kmsctl/inspect_tpm.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/certificate.h"
#include "policy/az_vtpm/hcl_report.h"
#include "policy/az_vtpm/runtime_data.h"
#include "policy/tpm/ak_trust.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/attest.h"
#include "policy/tpm/attestation_key.h"
#include "policy/tpm/pcrs.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

absl::string_view SchemeText(tpm::Scheme scheme) {
  switch (scheme) {
    case tpm::Scheme::kRsaSsa:
      return "RSASSA";
    case tpm::Scheme::kRsaPss:
      return "RSAPSS";
    case tpm::Scheme::kEcdsa:
      return "ECDSA";
  }
  return "";
}

std::string AttributesText(uint32_t attributes) {
  std::string text = absl::StrFormat("0x%08x", attributes);
  for (const auto& [bit, name] :
       {std::pair{tpm::kFixedTpm, "fixedTPM"},
        std::pair{tpm::kFixedParent, "fixedParent"},
        std::pair{tpm::kSensitiveDataOrigin, "sensitiveDataOrigin"},
        std::pair{tpm::kUserWithAuth, "userWithAuth"},
        std::pair{tpm::kAdminWithPolicy, "adminWithPolicy"},
        std::pair{tpm::kRestricted, "restricted"},
        std::pair{tpm::kDecrypt, "DECRYPT"}, std::pair{tpm::kSign, "sign"}}) {
    if ((attributes & bit) != 0) absl::StrAppend(&text, " ", name);
  }
  return text;
}

void ShowKey(const v1::Evidence& evidence, std::string& out) {
  const std::string* file = policy::FindFile(evidence, "ak_public");
  if (file == nullptr) return;
  const auto key = tpm::ParseAttestationKey(AsBytes(*file));
  if (!key.ok()) {
    Row("attestation key", key.status().message(), out);
    // Why it is none may be the question.
    const auto area = tpm::ParsePublicArea(AsBytes(*file));
    if (area.ok()) Row("attributes", AttributesText(area->attributes), out);
    return;
  }
  Row("attestation key", Hex(key->key.spki_sha256()), out);
  if (!key->area.has_value()) return;
  Row("name", Hex(tpm::NameOf(*key->area)), out);
  Row("attributes", AttributesText(key->area->attributes), out);
  Row("scheme",
      absl::StrCat(SchemeText(*key->area->scheme), " ",
                   tpm::HashName(key->area->scheme_hash)),
      out);
}

void ShowCertificates(const v1::Evidence& evidence, std::string& out) {
  const std::string* file = policy::FindFile(evidence, "ak_cert");
  if (file != nullptr) {
    const auto certificate = tpm::ParseAkCertificate(AsBytes(*file));
    if (certificate.ok()) {
      ShowCertificate("ak certificate", *certificate, out);
    } else {
      Row("ak certificate", certificate.status().message(), out);
    }
  }
  for (const v1::EvidenceFile& chain : evidence.files()) {
    if (chain.role() != "ak_cert_chain") continue;
    const auto offered = x509::ParseCertificates(AsBytes(chain.content()));
    if (!offered.ok()) {
      Row("offered", offered.status().message(), out);
      continue;
    }
    for (const x509::Certificate& ca : *offered) {
      ShowCertificate("offered", ca, out);
    }
  }
}

void ShowPcrs(const v1::Evidence& evidence, const tpm::UnverifiedQuote& quote,
              std::string& out) {
  const std::string* file = policy::FindFile(evidence, "pcrs");
  if (file == nullptr) {
    Row("pcrs", "(none)", out);
    return;
  }
  const auto pcrs = tpm::ParsePcrs(AsBytes(*file));
  if (!pcrs.ok()) {
    Row("pcrs", pcrs.status().message(), out);
    return;
  }
  const auto selected = tpm::SelectPcrs(quote, *pcrs);
  if (!selected.ok()) {
    Row("pcrs", selected.status().message(), out);
    return;
  }
  bool quoted = false;
  for (const crypto::Hash hash :
       {crypto::Hash::kSha256, crypto::Hash::kSha384, crypto::Hash::kSha512}) {
    quoted = quoted || tpm::PcrDigest(hash, *selected) == quote.pcr_digest;
  }
  Row("pcrs",
      absl::StrCat(selected->size(), " of ", tpm::HashName(quote.bank),
                   quoted ? ", as quoted" : ", NOT as quoted"),
      out);
  for (const auto& [index, value] : *selected) {
    Row(absl::StrCat("pcr ", index), Hex(value), out);
  }
}

}  // namespace

void ShowTpm(const v1::Evidence& evidence, std::string& out) {
  ShowKey(evidence, out);
  ShowCertificates(evidence, out);
  const std::string* file = policy::FindFile(evidence, "quote_attest");
  if (file == nullptr) {
    Row("quote", "(none)", out);
    return;
  }
  const auto quote = tpm::ParseAttest(AsBytes(*file));
  if (!quote.ok()) {
    Row("quote", quote.status().message(), out);
    return;
  }
  Row("nonce", quote->extra_data.empty() ? "(none)" : Hex(quote->extra_data),
      out);
  Row("qualified signer", Hex(quote->qualified_signer), out);
  Row("firmware", absl::StrFormat("0x%016x", quote->firmware_version), out);
  Row("clock",
      absl::StrCat(quote->clock_ms, " ms, ", quote->reset_count, " resets, ",
                   quote->restart_count, " restarts",
                   quote->clock_safe ? "" : ", NOT safe"),
      out);
  ShowPcrs(evidence, *quote, out);
}

void ShowAzVtpm(const v1::Evidence& evidence, v1::Evidence& hardware,
                std::string& out) {
  const std::string* file = policy::FindFile(evidence, "evidence");
  if (file == nullptr) {
    Row("hcl report", "(none)", out);
    return;
  }
  const auto report = az_vtpm::ParseHclReport(AsBytes(*file));
  if (!report.ok()) {
    Row("hcl report", report.status().message(), out);
    return;
  }
  const bool snp = report->hardware == az_vtpm::Hardware::kSnp;
  Row("hcl report",
      absl::StrCat("version ", report->version, snp ? ", SNP" : ", TDX"), out);
  Row("runtime data", Hex(crypto::Sha256(AsBytes(report->runtime_data))), out);
  const auto data = az_vtpm::ParseRuntimeData(report->runtime_data);
  if (data.ok()) {
    Row("HCLAkPub", Hex(data->ak.spki_sha256()), out);
    Row("vm id", Printable(data->vm_unique_id), out);
    Row("secure boot", data->secure_boot ? "yes" : "no", out);
    Row("user data", data->user_data.empty() ? "(none)" : Hex(data->user_data),
        out);
  } else {
    Row("runtime data", data.status().message(), out);
  }
  // The same files, as the hardware's own type has them.
  hardware = evidence;
  hardware.set_type(snp ? v1::SEV_SNP : v1::TDX);
  hardware.clear_files();
  for (const v1::EvidenceFile& from : evidence.files()) {
    const std::string& role = from.role();
    if (role == "crl" || role == "ak_cert" || role == "ak_cert_chain" ||
        role == "ak_public" || role == "event_log" || role == "nonce" ||
        role == "pcrs" || role == "quote_attest" || role == "quote_signature") {
      continue;
    }
    if (role == "evidence" && !snp) continue;
    v1::EvidenceFile* to = hardware.add_files();
    *to = from;
    if (role == "evidence") to->set_content(report->hardware_report);
    if (role == "evidence_hw") to->set_role("evidence");
  }
}

}  // namespace kms::kmsctl
