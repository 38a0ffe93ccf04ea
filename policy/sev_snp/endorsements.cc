#include "policy/sev_snp/endorsements.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/chain.h"
#include "policy/sev_snp/cert_table.h"

namespace kms::sev_snp {
namespace {

using x509::Certificate;

void AddOnce(const Certificate& certificate, std::vector<Certificate>& to) {
  const bool known =
      std::any_of(to.begin(), to.end(), [&](const Certificate& other) {
        return other.sha256() == certificate.sha256();
      });
  if (!known) to.push_back(certificate);
}

absl::Status AddCertificates(const std::string& file,
                             std::vector<Certificate>& to) {
  KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                       x509::ParseCertificates(AsBytes(file)));
  for (const Certificate& certificate : certificates) AddOnce(certificate, to);
  return absl::OkStatus();
}

absl::Status SetLeaf(const std::string& file, Endorsements& endorsements) {
  KMS_ASSIGN_OR_RETURN(std::vector<Certificate> certificates,
                       x509::ParseCertificates(AsBytes(file)));
  if (certificates.size() != 1) {
    return Refuse(v1::ENDORSEMENT_MALFORMED,
                  absl::StrCat("sev_snp key certificate: a file of ",
                               certificates.size(), ", want 1"));
  }
  if (endorsements.leaf.has_value() &&
      endorsements.leaf->sha256() != certificates[0].sha256()) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "sev_snp key certificate: two different ones");
  }
  endorsements.leaf = certificates[0];
  return absl::OkStatus();
}

absl::Status AddCrl(const std::string& file, Endorsements& endorsements) {
  KMS_ASSIGN_OR_RETURN(x509::Crl crl, x509::Crl::Parse(AsBytes(file)));
  endorsements.crls.push_back(std::move(crl));
  return absl::OkStatus();
}

// A host fills its table with what it has, so the certificate of the other
// kind of key beside the right one is no fault.
absl::Status AddTable(const std::string& file, SigningKey kind,
                      Endorsements& endorsements) {
  KMS_ASSIGN_OR_RETURN(const CertTable table, ParseCertTable(AsBytes(file)));
  const std::string& leaf = kind == SigningKey::kVlek ? table.vlek : table.vcek;
  if (!leaf.empty()) KMS_RETURN_IF_ERROR(SetLeaf(leaf, endorsements));
  for (const std::string* ca : {&table.ask, &table.ark}) {
    if (!ca->empty()) {
      KMS_RETURN_IF_ERROR(AddCertificates(*ca, endorsements.offered));
    }
  }
  if (!table.crl.empty()) KMS_RETURN_IF_ERROR(AddCrl(table.crl, endorsements));
  return absl::OkStatus();
}

absl::Status AddFile(const v1::EvidenceFile& file, SigningKey kind,
                     Endorsements& endorsements) {
  const std::string& role = file.role();
  if (role == "evidence") return absl::OkStatus();
  if (role == "cert_chain") {
    return AddCertificates(file.content(), endorsements.offered);
  }
  if (role == "cert_table") return AddTable(file.content(), kind, endorsements);
  if (role == "crl") return AddCrl(file.content(), endorsements);
  if (role == "vcek" || role == "vlek") {
    if ((role == "vlek") != (kind == SigningKey::kVlek)) {
      return Refuse(v1::ENDORSEMENT_MISMATCH,
                    "sev_snp key certificate: VCEK and VLEK are mixed");
    }
    return SetLeaf(file.content(), endorsements);
  }
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                "sev_snp evidence: a file in a role that it has no use for");
}

// The store holds what all vendors and products need: taken is what by its
// names may stand above this leaf. REQUIRES: there is a leaf.
void AddCollateral(const policy::Collateral& collateral,
                   Endorsements& endorsements) {
  std::vector<Certificate> pool = endorsements.offered;
  for (const policy::CollateralItem* item : collateral.OfRole("cert_chain")) {
    // Another vendor's, in a form that is no concern of ours.
    if (!AddCertificates(item->content, pool).ok()) continue;
  }
  for (const Certificate& certificate :
       x509::MayBeAbove(*endorsements.leaf, pool)) {
    AddOnce(certificate, endorsements.offered);
  }
}

}  // namespace

absl::StatusOr<Endorsements> SortEndorsements(
    SigningKey kind, const v1::Evidence& evidence,
    const policy::Collateral* collateral) {
  Endorsements endorsements;
  for (const v1::EvidenceFile& file : evidence.files()) {
    KMS_RETURN_IF_ERROR(AddFile(file, kind, endorsements));
  }
  if (!endorsements.leaf.has_value()) {
    return Refuse(v1::ENDORSEMENT_MISSING,
                  absl::StrCat("sev_snp evidence: no ",
                               kind == SigningKey::kVlek ? "VLEK" : "VCEK",
                               " certificate"));
  }
  if (collateral != nullptr) AddCollateral(*collateral, endorsements);
  return endorsements;
}

}  // namespace kms::sev_snp
