#include "policy/nvidia/revocation.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/crl.h"
#include "kms/crypto/x509/ocsp.h"

namespace kms::nvidia {
namespace {

constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha384};

struct OfferedCrl {
  x509::Crl crl;
  bool stored = false;
};

struct Chain {
  const x509::VerifiedChain* verified;
  policy::AnchorUse use;
};

bool Concerns(const x509::Crl& crl, const x509::VerifiedChain& chain) {
  return std::any_of(chain.path.begin() + 1, chain.path.end(),
                     [&](const x509::Certificate& ca) {
                       return ca.subject_der() == crl.issuer_der();
                     });
}

void Narrow(absl::Time from, absl::Time until, Revocation& revocation) {
  revocation.valid_from = std::max(revocation.valid_from, from);
  revocation.valid_until = std::min(revocation.valid_until, until);
}

v1::CollateralClaims Claim(absl::string_view kind, std::string subject,
                           const std::string& digest, absl::Time issued,
                           absl::Time next_update, bool stored) {
  v1::CollateralClaims claim;
  claim.set_kind(std::string(kind));
  claim.set_subject(std::move(subject));
  claim.set_digest(digest);
  claim.set_issued_us(absl::ToUnixMicros(issued));
  claim.set_next_update_us(absl::ToUnixMicros(next_update));
  claim.set_stored(stored);
  return claim;
}

// Big-endian; what does not fit (RFC 5280 allows 20 bytes) is not shown.
uint64_t Number(const std::string& bytes) {
  if (bytes.size() > sizeof(uint64_t)) return 0;
  uint64_t number = 0;
  for (char c : bytes) number = number << 8 | static_cast<uint8_t>(c);
  return number;
}

absl::StatusOr<std::vector<x509::OcspResponse>> ReadResponses(
    const v1::Evidence& evidence) {
  std::vector<x509::OcspResponse> responses;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "ocsp_response") continue;
    KMS_ASSIGN_OR_RETURN(x509::OcspResponse response,
                         x509::OcspResponse::Parse(AsBytes(file.content())));
    responses.push_back(std::move(response));
  }
  return responses;
}

// The service's lists go before the sender's of the same issuer.
absl::StatusOr<std::vector<OfferedCrl>> ReadCrls(
    const v1::Evidence& evidence, const std::vector<Chain>& chains,
    const policy::Collateral* collateral) {
  std::vector<OfferedCrl> crls;
  const auto concerns_any = [&](const x509::Crl& crl) {
    return std::any_of(chains.begin(), chains.end(), [&](const Chain& chain) {
      return Concerns(crl, *chain.verified);
    });
  };
  std::set<std::string> issuers;
  if (collateral != nullptr) {
    for (const policy::CollateralItem* item : collateral->OfRole("crl")) {
      KMS_ASSIGN_OR_RETURN(x509::Crl crl,
                           x509::Crl::Parse(AsBytes(item->content)));
      // The store also holds other vendors' lists.
      if (!concerns_any(crl)) continue;
      issuers.insert(crl.issuer_der());
      crls.push_back({std::move(crl), /*stored=*/true});
    }
  }
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (file.role() != "crl") continue;
    KMS_ASSIGN_OR_RETURN(x509::Crl crl,
                         x509::Crl::Parse(AsBytes(file.content())));
    if (!concerns_any(crl)) {
      return Refuse(v1::CRL_INVALID, "crl: not of a CA of these chains");
    }
    if (issuers.count(crl.issuer_der()) == 0) {
      crls.push_back({std::move(crl), /*stored=*/false});
    }
  }
  return crls;
}

// A second walk of each chain that a list concerns: x509 checks lists only as
// part of it.
absl::Status CheckCrls(const std::vector<Chain>& chains,
                       const std::vector<OfferedCrl>& crls,
                       const policy::VerifyInputs& inputs,
                       Revocation& revocation) {
  for (const Chain& chain : chains) {
    std::vector<x509::Crl> concerned;
    for (const OfferedCrl& offered : crls) {
      if (Concerns(offered.crl, *chain.verified)) {
        concerned.push_back(offered.crl);
      }
    }
    if (concerned.empty()) continue;
    const std::vector<x509::Certificate>& path = chain.verified->path;
    KMS_ASSIGN_OR_RETURN(
        const x509::VerifiedChain again,
        x509::VerifyChain(path[0], path,
                          inputs.anchors.For(v1::NVIDIA_GPU, chain.use).x509,
                          concerned, inputs.now, {.schemes = kSchemes}));
    Narrow(again.valid_from, again.valid_until, revocation);
  }
  for (const auto& [crl, stored] : crls) {
    v1::CollateralClaims claim = Claim(
        "crl",
        Hex(crypto::Sha256(
            AsBytes(absl::StrCat(crl.issuer_der(), crl.authority_key_id())))),
        crl.sha256(), crl.this_update(), crl.next_update(), stored);
    claim.set_number(Number(crl.number()));
    revocation.used.push_back(std::move(claim));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Revocation> CheckRevocation(
    const x509::VerifiedChain& device,
    const std::vector<std::shared_ptr<const VerifiedRim>>& rims,
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) {
  std::vector<Chain> chains = {{&device, policy::AnchorUse::kEvidence}};
  for (const std::shared_ptr<const VerifiedRim>& rim : rims) {
    chains.push_back({&rim->chain(), policy::AnchorUse::kReferenceValues});
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::OcspResponse> responses,
                       ReadResponses(evidence));
  KMS_ASSIGN_OR_RETURN(const std::vector<OfferedCrl> crls,
                       ReadCrls(evidence, chains, inputs.collateral));
  Revocation revocation;
  KMS_RETURN_IF_ERROR(CheckCrls(chains, crls, inputs, revocation));
  revocation.ocsp_checked = true;
  std::set<std::string> seen;  // Manifests share certificates.
  for (const Chain& chain : chains) {
    const std::vector<x509::Certificate>& path = chain.verified->path;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      if (!seen.insert(path[i].sha256()).second) continue;
      KMS_ASSIGN_OR_RETURN(const x509::OcspAnswer answer,
                           x509::FindOcspAnswer(path[i], path[i + 1], responses,
                                                inputs.now, kSchemes));
      Narrow(answer.valid_from, answer.valid_until, revocation);
      if (answer.response.has_value()) {
        revocation.used.push_back(Claim("ocsp_response", Hex(path[i].serial()),
                                        responses[*answer.response].sha256(),
                                        answer.this_update, answer.next_update,
                                        /*stored=*/false));
      } else if (chain.verified != &device || i > 0) {
        revocation.ocsp_checked = false;
      }
    }
  }
  return revocation;
}

}  // namespace kms::nvidia
