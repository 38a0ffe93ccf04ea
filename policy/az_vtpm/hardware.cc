#include "policy/az_vtpm/hardware.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"
#include "policy/az_vtpm/td_report.h"
#include "policy/dcap/verifier.h"
#include "policy/sev_snp/verifier.h"
#include "policy/verifier/certificates.h"
#include "policy/verifier/evidence_files.h"

namespace kms::az_vtpm {
namespace {

// But evidence, evidence_hw and crl, which Split looks into.
constexpr absl::string_view kHardwareRoles[] = {
    // SEV-SNP.
    "vcek", "vlek", "cert_chain", "cert_table",
    // TDX.
    "tcb_info", "tcb_info_issuer_chain", "qe_identity",
    "qe_identity_issuer_chain", "pck_crl", "pck_crl_issuer_chain",
    "root_ca_crl"};

bool IsHardwareRole(absl::string_view role) {
  return std::find(std::begin(kHardwareRoles), std::end(kHardwareRoles),
                   role) != std::end(kHardwareRoles);
}

void AddFile(absl::string_view role, const std::string& content,
             v1::Evidence& to) {
  v1::EvidenceFile* file = to.add_files();
  file->set_role(std::string(role));
  file->set_content(content);
}

// DER names of the CAs that may stand above an attestation key.
absl::StatusOr<std::vector<std::string>> AkCas(
    const v1::Evidence& evidence, const policy::TrustAnchors& anchors) {
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Certificate> certificates,
                       policy::ReadCertificates(evidence, "ak_cert_chain"));
  std::vector<std::string> names;
  for (const x509::Certificate& ca : certificates) {
    names.push_back(ca.subject_der());
  }
  for (const x509::Anchor& anchor : anchors.For(evidence.type()).x509) {
    if (anchor.certificate.has_value()) {
      names.push_back(anchor.certificate->subject_der());
    }
  }
  return names;
}

// Microsoft's paravisor runs at VMPL 0 and keeps the guest at a lower level. A
// report of another level was asked for by somebody who could as well have
// written the runtime data.
absl::Status CheckVmpl(const v1::Claims& claims) {
  if (claims.cpu().snp().vmpl() == 0) return absl::OkStatus();
  return Refuse(v1::EVIDENCE_INCONSISTENT,
                absl::StrCat("hcl report: an SNP report of VMPL ",
                             claims.cpu().snp().vmpl(), ", want 0"));
}

}  // namespace

absl::StatusOr<Halves> Split(const UnverifiedHclReport& report,
                             const v1::Evidence& evidence,
                             const policy::TrustAnchors& anchors) {
  Halves halves;
  if (report.hardware == Hardware::kSnp) {
    halves.hardware.set_type(v1::SEV_SNP);
    AddFile("evidence", report.hardware_report, halves.hardware);
  } else {
    KMS_ASSIGN_OR_RETURN(
        const BytesView quote,
        policy::RequireFile(evidence, "azure vtpm evidence", "evidence_hw"));
    halves.hardware.set_type(v1::TDX);
    AddFile("evidence", ToString(quote), halves.hardware);
  }
  halves.ak.set_type(evidence.type());
  std::vector<std::string> cas;
  if (policy::FindFile(evidence, "crl") != nullptr) {
    KMS_ASSIGN_OR_RETURN(cas, AkCas(evidence, anchors));
  }
  for (const v1::EvidenceFile& file : evidence.files()) {
    const std::string& role = file.role();
    if (role == "ak_public" || role == "ak_cert" || role == "ak_cert_chain") {
      AddFile(role, file.content(), halves.ak);
    } else if (role == "crl") {
      KMS_ASSIGN_OR_RETURN(const x509::Crl crl,
                           x509::Crl::Parse(AsBytes(file.content())));
      const bool ak =
          std::find(cas.begin(), cas.end(), crl.issuer_der()) != cas.end();
      AddFile(role, file.content(), ak ? halves.ak : halves.hardware);
    } else if (IsHardwareRole(role)) {
      AddFile(role, file.content(), halves.hardware);
    }
  }
  return halves;
}

absl::StatusOr<v1::Claims> VerifyHardware(const UnverifiedHclReport& report,
                                          const v1::Evidence& hardware,
                                          const policy::VerifyInputs& inputs) {
  if (report.hardware == Hardware::kSnp) {
    KMS_ASSIGN_OR_RETURN(v1::Claims claims,
                         sev_snp::Verifier().Verify(hardware, inputs));
    KMS_RETURN_IF_ERROR(CheckVmpl(claims));
    return claims;
  }
  KMS_ASSIGN_OR_RETURN(const UnverifiedTdReport td_report,
                       ParseTdReport(AsBytes(report.hardware_report)));
  KMS_ASSIGN_OR_RETURN(
      v1::Claims claims,
      dcap::Verifier(dcap::TeeKind::kTdx).Verify(hardware, inputs));
  KMS_RETURN_IF_ERROR(CheckQuoteIsOf(td_report, claims.cpu()));
  return claims;
}

}  // namespace kms::az_vtpm
