#include "policy/dcap/platform.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/crl.h"
#include "policy/dcap/collateral.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/evidence_files.h"

namespace kms::dcap {
namespace {

using policy::CollateralItem;
using x509::Certificate;
using x509::Crl;

constexpr size_t kScalarBytes = 32;
constexpr absl::string_view kCollateralRoles[] = {
    "tcb_info",    "tcb_info_issuer_chain",
    "qe_identity", "qe_identity_issuer_chain",
    "pck_crl",     "pck_crl_issuer_chain",
    "root_ca_crl"};

// One file that a verdict may stand on, and how Claims name it.
struct File {
  BytesView content;
  v1::CollateralClaims claims;
};

File MakeFile(absl::string_view role, absl::string_view subject,
              BytesView content, bool stored) {
  File file;
  file.content = content;
  file.claims.set_kind(std::string(role));
  file.claims.set_subject(std::string(subject));
  file.claims.set_digest(crypto::Sha256(content));
  file.claims.set_stored(stored);
  return file;
}

// What the verifier's side keeps, and only without that what the sender has.
absl::StatusOr<File> Choose(absl::string_view role, absl::string_view subject,
                            const v1::Evidence& evidence,
                            const policy::VerifyInputs& inputs) {
  if (inputs.collateral != nullptr) {
    const CollateralItem* item = inputs.collateral->Find(role, subject);
    if (item != nullptr) {
      return MakeFile(role, subject, AsBytes(item->content), true);
    }
  }
  const std::string* content = policy::FindFile(evidence, role);
  if (content != nullptr) {
    return MakeFile(role, subject, AsBytes(*content), false);
  }
  return Refuse(v1::ENDORSEMENT_MISSING,
                absl::StrCat("dcap evidence: no file of role ", role));
}

// The list of `ca`: the stored one, or the sender's in its own role. Nothing if
// there is none: CheckCrls then says for which CA.
absl::StatusOr<std::optional<policy::ChosenCrl>> ChooseCrl(
    absl::string_view role, const Certificate& ca, const v1::Evidence& evidence,
    const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(std::optional<policy::ChosenCrl> stored,
                       policy::FindStoredCrl(ca, inputs.collateral));
  if (stored.has_value()) return stored;
  const std::string* content = policy::FindFile(evidence, role);
  if (content == nullptr) return std::nullopt;
  KMS_ASSIGN_OR_RETURN(Crl crl, ParseCrlFile(AsBytes(*content)));
  policy::ChosenCrl offered = policy::OfferedCrl(std::move(crl), ca);
  offered.claims.set_kind(std::string(role));
  return offered;
}

struct PckChain {
  x509::VerifiedChain chain;
  std::vector<Crl> root_ca_crl;  // One, or VerifyChain had refused.
};

absl::StatusOr<PckChain> VerifyPckChain(const UnverifiedQuote& quote,
                                        const v1::Evidence& evidence,
                                        const policy::VerifyInputs& inputs,
                                        Platform& platform) {
  const policy::TrustAnchors::OfType& anchors =
      inputs.anchors.For(TypeOf(quote.tee));
  KMS_ASSIGN_OR_RETURN(std::vector<Certificate> pool,
                       ParseChainFile(AsBytes(quote.pck_chain)));
  const Certificate leaf = pool.front();
  if (const std::string* more =
          policy::FindFile(evidence, "pck_crl_issuer_chain");
      more != nullptr) {
    KMS_ASSIGN_OR_RETURN(const std::vector<Certificate> certificates,
                         ParseChainFile(AsBytes(*more)));
    pool.insert(pool.end(), certificates.begin(), certificates.end());
  }
  // The path says whose lists are wanted (crls.h).
  const x509::ChainRules rules = {.schemes = kSchemes, .crls_required = true};
  PckChain pck;
  KMS_ASSIGN_OR_RETURN(
      pck.chain, x509::VerifyChain(leaf, pool, anchors.x509, {}, inputs.now,
                                   {.schemes = kSchemes}));
  KMS_ASSIGN_OR_RETURN(
      std::optional<policy::ChosenCrl> pck_crl,
      ChooseCrl("pck_crl", pck.chain.path[1], evidence, inputs));
  KMS_ASSIGN_OR_RETURN(
      std::optional<policy::ChosenCrl> root_crl,
      ChooseCrl("root_ca_crl", pck.chain.path.back(), evidence, inputs));
  policy::Crls crls;
  if (root_crl.has_value()) pck.root_ca_crl.push_back(root_crl->crl);
  if (pck_crl.has_value()) crls.Add(*std::move(pck_crl));
  if (root_crl.has_value()) crls.Add(*std::move(root_crl));
  KMS_RETURN_IF_ERROR(x509::CheckCrls(crls.crls, inputs.now, rules, pck.chain));
  platform.collateral = std::move(crls.claims);
  return pck;
}

absl::Status CheckQuotingEnclave(const UnverifiedQuote& quote,
                                 const crypto::PublicKey& pck) {
  const BytesView signature(quote.qe_report_signature);
  if (!pck.VerifyEcdsaRaw(crypto::Hash::kSha256, AsBytes(quote.qe_report_bytes),
                          signature.first(kScalarBytes),
                          signature.subspan(kScalarBytes))
           .ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "dcap quoting enclave: its report is not signed by the PCK");
  }
  const std::string named = crypto::Sha256Hasher()
                                .Update(BytesView(quote.attestation_key))
                                .Update(quote.qe_auth_data)
                                .Finish();
  const BytesView report_data(quote.qe_report.report_data);
  if (report_data.first(named.size()) != AsBytes(named) ||
      !AllZero(report_data.subspan(named.size()))) {
    return Refuse(v1::EVIDENCE_INCONSISTENT,
                  "dcap quoting enclave: it does not name the quote's key");
  }
  return absl::OkStatus();
}

absl::StatusOr<crypto::PublicKey> ReadAttestationKey(
    const UnverifiedQuote& quote) {
  std::string point(1, '\x04');
  point += ToString(BytesView(quote.attestation_key));
  absl::StatusOr<crypto::PublicKey> key =
      crypto::PublicKey::FromPoint(crypto::Curve::kP256, AsBytes(point));
  if (key.ok()) return key;
  return Refuse(v1::EVIDENCE_MALFORMED,
                "dcap quote: the attestation key is not a point on P-256");
}

// Verifies `role` and its issuer chain with `verify`, and notes both. It stands
// under the platform's own root, because the root CA's list is that root's: a
// simulator's collateral does not rate a vendor's platform, nor the reverse.
template <typename T>
absl::StatusOr<T> VerifyItem(
    absl::string_view role, absl::string_view subject,
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs,
    const PckChain& pck, TeeKind tee,
    absl::StatusOr<Verified<T>> (*verify)(BytesView, const SignerInputs&),
    Platform& platform) {
  KMS_ASSIGN_OR_RETURN(File item, Choose(role, subject, evidence, inputs));
  KMS_ASSIGN_OR_RETURN(
      const File signer,
      Choose(absl::StrCat(role, "_issuer_chain"), subject, evidence, inputs));
  KMS_ASSIGN_OR_RETURN(
      Verified<T> verified,
      verify(item.content, {.issuer_chain = signer.content,
                            .anchors = inputs.anchors.For(TypeOf(tee)).x509,
                            .root_ca_crl = pck.root_ca_crl,
                            .now = inputs.now}));
  const T& value = verified.value();
  if (value.tee != tee) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  absl::StrCat("dcap ", role, ": for the other kind of TEE"));
  }
  item.claims.set_number(value.evaluation_data_number);
  item.claims.set_issued_us(absl::ToUnixMicros(value.issued));
  item.claims.set_next_update_us(absl::ToUnixMicros(value.next_update));
  platform.collateral.push_back(item.claims);
  platform.collateral.push_back(signer.claims);
  platform.valid_from = std::max(platform.valid_from, verified.valid_from());
  platform.valid_until = std::min(platform.valid_until, verified.valid_until());
  platform.bytes += 2 * item.content.size();
  return value;
}

absl::Status CheckPlatform(const TcbInfo& info, const PckExtension& pck) {
  if (info.fmspc != pck.fmspc || info.pce_id != pck.pce_id) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "dcap tcb_info: for another kind of platform than the PCK's");
  }
  return absl::OkStatus();
}

}  // namespace

v1::EvidenceType TypeOf(TeeKind kind) {
  return kind == TeeKind::kTdx ? v1::TDX : v1::SGX;
}

bool IsCollateralRole(absl::string_view role) {
  return std::find(std::begin(kCollateralRoles), std::end(kCollateralRoles),
                   role) != std::end(kCollateralRoles);
}

absl::StatusOr<Platform> VerifyPlatform(const UnverifiedQuote& quote,
                                        const v1::Evidence& evidence,
                                        const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(crypto::PublicKey attestation_key,
                       ReadAttestationKey(quote));
  Platform platform(std::move(attestation_key));
  KMS_ASSIGN_OR_RETURN(const PckChain pck,
                       VerifyPckChain(quote, evidence, inputs, platform));
  KMS_ASSIGN_OR_RETURN(platform.pck, ReadPckCertificate(pck.chain));
  KMS_RETURN_IF_ERROR(
      CheckQuotingEnclave(quote, pck.chain.path[0].public_key()));
  platform.anchor =
      inputs.anchors.For(TypeOf(quote.tee)).anchors[pck.chain.anchor];
  platform.valid_from = pck.chain.valid_from;
  platform.valid_until = pck.chain.valid_until;
  platform.bytes = x509::MemoryBytes(pck.chain);
  KMS_ASSIGN_OR_RETURN(
      platform.tcb_info,
      VerifyItem<TcbInfo>(
          "tcb_info", TcbInfoSubject(quote.tee, platform.pck.sgx.fmspc),
          evidence, inputs, pck, quote.tee, VerifyTcbInfo, platform));
  KMS_RETURN_IF_ERROR(CheckPlatform(platform.tcb_info, platform.pck.sgx));
  KMS_ASSIGN_OR_RETURN(
      platform.qe_identity,
      VerifyItem<QeIdentity>("qe_identity", QeIdentitySubject(quote.tee),
                             evidence, inputs, pck, quote.tee, VerifyQeIdentity,
                             platform));
  KMS_RETURN_IF_ERROR(CheckQeReport(quote.qe_report, platform.qe_identity));
  return platform;
}

}  // namespace kms::dcap
