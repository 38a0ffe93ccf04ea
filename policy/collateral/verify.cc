#include "policy/collateral/verify.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/collateral/collateral_files.h"
#include "policy/collateral/rim_items.h"
#include "policy/collateral/x509_items.h"
#include "policy/dcap/collateral.h"
#include "policy/dcap/platform.h"
#include "policy/verifier/crls.h"

namespace kms::policy {
namespace {

using x509::Certificate;
using x509::Crl;

// In the order of CollateralKind.
constexpr std::array<absl::string_view, 5> kKindNames = {
    "rim", "tcb-info", "qe-identity", "crl", "cert-chain"};

// The files, and what the store adds to them.
struct Context {
  CollateralFiles files;
  std::vector<Certificate> offered;  // First those of the files.
  const VerifyInputs& inputs;
};

using Facts = absl::StatusOr<std::vector<CollateralFacts>>;

absl::Status WrongFiles(CollateralKind kind, absl::string_view want) {
  return Refuse(v1::REQUEST_MALFORMED,
                absl::StrCat(kKindNames[static_cast<size_t>(kind)],
                             ": other files than these, want ", want));
}

CollateralItem MakeItem(absl::string_view role, std::string subject,
                        std::string content) {
  CollateralItem item;
  item.role = std::string(role);
  item.subject = std::move(subject);
  item.digest = crypto::Sha256(AsBytes(content));
  item.content = std::move(content);
  return item;
}

Facts Rims(const Context& context) {
  const CollateralFiles& files = context.files;
  if (files.xml.empty() || !files.json.empty() || !files.chains.empty() ||
      !files.crls.empty()) {
    return WrongFiles(CollateralKind::kRim, "manifests only");
  }
  std::vector<CollateralFacts> all;
  for (const std::string& file : files.xml) {
    KMS_ASSIGN_OR_RETURN(CollateralFacts facts,
                         VerifyRim(file, context.inputs));
    all.push_back(std::move(facts));
  }
  return all;
}

Facts Crls(const Context& context) {
  std::vector<CollateralFacts> all;
  for (const Crl& crl : context.files.crls) {
    KMS_ASSIGN_OR_RETURN(
        CollateralFacts facts,
        VerifyCrl(crl, context.offered, context.files.crls, context.inputs));
    all.push_back(std::move(facts));
  }
  return all;
}

Facts CertChains(const Context& context) {
  const CollateralFiles& files = context.files;
  if (files.chains.empty() || !files.json.empty() || !files.xml.empty() ||
      !files.crls.empty()) {
    return WrongFiles(CollateralKind::kCertChain, "certificates only");
  }
  std::vector<CollateralFacts> all;
  for (const CertificateFile& file : files.chains) {
    KMS_ASSIGN_OR_RETURN(
        CollateralFacts facts,
        VerifyCertificates(file, context.offered, context.files.crls,
                           context.inputs));
    all.push_back(std::move(facts));
  }
  return all;
}

// The CRL of the SGX root, if there is one: what the signer of TCB infos is
// held against. One is what its verifier takes; the files' come first.
absl::StatusOr<std::vector<Crl>> RootCrl(
    const Context& context, const std::vector<Certificate>& chain) {
  for (const Certificate& certificate : chain) {
    if (!certificate.self_issued()) continue;
    for (const Crl& crl : context.files.crls) {
      if (MayBeOf(crl, certificate)) return std::vector<Crl>{crl};
    }
    KMS_ASSIGN_OR_RETURN(const std::optional<ChosenCrl> stored,
                         FindStoredCrl(certificate, context.inputs.collateral));
    if (stored.has_value()) return std::vector<Crl>{stored->crl};
  }
  return std::vector<Crl>();
}

// What tcb-info and qe-identity have in common. `role` and `subject` are of
// the signed JSON; `verify` checks it against its signer.
template <typename T, typename Verify>
Facts SignedJson(const Context& context, absl::string_view role,
                 v1::EvidenceType type, const T& unverified, Verify verify) {
  const std::string& json = context.files.json.front();
  const std::vector<Certificate> chain = context.files.Certificates();
  // Kept as PEM, whatever form it came in: who reads it takes that.
  const std::string chain_file = ToPemFile(chain);
  KMS_ASSIGN_OR_RETURN(const std::vector<Crl> root_crl,
                       RootCrl(context, chain));
  const TrustAnchors::OfType& anchors = context.inputs.anchors.For(type);
  const auto verified = verify(
      AsBytes(json), dcap::SignerInputs{.issuer_chain = AsBytes(chain_file),
                                        .anchors = anchors.x509,
                                        .root_ca_crl = root_crl,
                                        .now = context.inputs.now,
                                        .crl_required = false});
  KMS_RETURN_IF_ERROR(verified.status());
  const T& value = verified->value();

  CollateralFacts facts;
  facts.item = MakeItem(role, unverified.Subject(), json);
  facts.title = facts.item.subject;
  facts.number = NumberBytes(value.evaluation_data_number);
  facts.issued = value.issued;
  facts.next_update = value.next_update;
  const TrustAnchor& anchor = anchors.anchors[verified->anchor()];
  facts.type = anchor.type;
  facts.anchor = anchor.name;
  facts.simulated = anchor.simulated;

  CollateralFacts issuer = facts;
  issuer.item = MakeItem(absl::StrCat(role, "_issuer_chain"),
                         facts.item.subject, chain_file);
  issuer.title = TitleFrom(chain.front().SubjectText());
  issuer.number.clear();
  issuer.issued = absl::InfinitePast();
  issuer.next_update = absl::InfiniteFuture();
  for (const Certificate& certificate : chain) {
    issuer.next_update = std::min(issuer.next_update, certificate.not_after());
  }

  // The chain last: it has no number of its own that would keep an older one
  // from replacing it, so it is not stored unless the JSON was.
  KMS_ASSIGN_OR_RETURN(std::vector<CollateralFacts> all, Crls(context));
  all.push_back(std::move(facts));
  all.push_back(std::move(issuer));
  return all;
}

absl::Status CheckSignedJsonFiles(CollateralKind kind,
                                  const CollateralFiles& files) {
  if (files.json.size() == 1 && !files.chains.empty() && files.xml.empty()) {
    return absl::OkStatus();
  }
  return WrongFiles(kind, "one JSON file and its issuer chain");
}

Facts TcbInfos(const Context& context) {
  KMS_RETURN_IF_ERROR(
      CheckSignedJsonFiles(CollateralKind::kTcbInfo, context.files));
  KMS_ASSIGN_OR_RETURN(
      const dcap::TcbInfo info,
      dcap::ParseTcbInfoFile(AsBytes(context.files.json.front())));
  return SignedJson(context, "tcb_info", dcap::TypeOf(info.tee), info,
                    dcap::VerifyTcbInfo);
}

Facts QeIdentities(const Context& context) {
  KMS_RETURN_IF_ERROR(
      CheckSignedJsonFiles(CollateralKind::kQeIdentity, context.files));
  KMS_ASSIGN_OR_RETURN(
      const dcap::QeIdentity identity,
      dcap::ParseQeIdentityFile(AsBytes(context.files.json.front())));
  return SignedJson(context, "qe_identity", dcap::TypeOf(identity.tee),
                    identity, dcap::VerifyQeIdentity);
}

Facts LooseCrls(const Context& context) {
  const CollateralFiles& files = context.files;
  if (files.crls.empty() || !files.json.empty() || !files.xml.empty()) {
    return WrongFiles(CollateralKind::kCrl, "CRLs and certificates");
  }
  return Crls(context);
}

Facts FactsOfKind(CollateralKind kind, const Context& context) {
  switch (kind) {
    case CollateralKind::kRim:
      return Rims(context);
    case CollateralKind::kTcbInfo:
      return TcbInfos(context);
    case CollateralKind::kQeIdentity:
      return QeIdentities(context);
    case CollateralKind::kCrl:
      return LooseCrls(context);
    case CollateralKind::kCertChain:
      return CertChains(context);
  }
  return absl::InternalError("collateral: a kind without a verifier");
}

}  // namespace

std::optional<CollateralKind> CollateralKindNamed(absl::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == name) return static_cast<CollateralKind>(i);
  }
  return std::nullopt;
}

absl::Span<const absl::string_view> CollateralKindNames() { return kKindNames; }

absl::StatusOr<std::vector<VerifiedCollateral>> VerifyCollateral(
    CollateralKind kind, absl::Span<const std::string> files,
    const VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(CollateralFiles sorted, SortCollateralFiles(files));
  Context context{std::move(sorted), {}, inputs};
  context.offered = context.files.Certificates();
  const std::vector<Certificate> stored = StoredCertificates(inputs);
  context.offered.insert(context.offered.end(), stored.begin(), stored.end());
  AddAnchorCertificates(inputs.anchors, context.offered);
  KMS_ASSIGN_OR_RETURN(std::vector<CollateralFacts> all,
                       FactsOfKind(kind, context));
  std::vector<VerifiedCollateral> verified;
  for (CollateralFacts& facts : all) {
    verified.push_back(VerifiedCollateral(std::move(facts)));
  }
  return verified;
}

}  // namespace kms::policy
