#include "policy/nvidia/revocation.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/crl.h"
#include "kms/crypto/x509/ocsp.h"
#include "policy/verifier/crls.h"

namespace kms::nvidia {
namespace {

constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha384};

using Chain = const x509::VerifiedChain*;

bool Concerns(const x509::Crl& crl, const x509::VerifiedChain& chain) {
  return std::any_of(
      chain.path.begin() + 1, chain.path.end(),
      [&](const x509::Certificate& ca) { return policy::MayBeOf(crl, ca); });
}

void Narrow(absl::Time from, absl::Time until, Revocation& revocation) {
  revocation.valid_from = std::max(revocation.valid_from, from);
  revocation.valid_until = std::min(revocation.valid_until, until);
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

// Each chain against the lists of its CAs.
absl::Status CheckCrls(const std::vector<Chain>& chains,
                       const v1::Evidence& evidence,
                       const policy::VerifyInputs& inputs,
                       Revocation& revocation) {
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::Crl> offered,
                       policy::ReadCrls(evidence));
  for (const x509::Crl& crl : offered) {
    if (std::none_of(chains.begin(), chains.end(), [&](const Chain& chain) {
          return Concerns(crl, *chain);
        })) {
      return Refuse(v1::CRL_INVALID, "crl: of no CA of these chains");
    }
  }
  for (const Chain& chain : chains) {
    std::vector<x509::Crl> concerned;
    for (const x509::Crl& crl : offered) {
      if (Concerns(crl, *chain)) concerned.push_back(crl);
    }
    KMS_ASSIGN_OR_RETURN(
        policy::Crls crls,
        policy::ChooseCrls(chain->path, concerned, inputs.collateral));
    x509::VerifiedChain held = *chain;
    KMS_RETURN_IF_ERROR(
        x509::CheckCrls(crls.crls, inputs.now, {.schemes = kSchemes}, held));
    Narrow(held.valid_from, held.valid_until, revocation);
    for (v1::CollateralClaims& claims : crls.claims) {
      revocation.used.push_back(std::move(claims));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Revocation> CheckRevocation(
    const x509::VerifiedChain& device,
    const std::vector<std::shared_ptr<const VerifiedRim>>& rims,
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) {
  std::vector<Chain> chains = {&device};
  for (const std::shared_ptr<const VerifiedRim>& rim : rims) {
    chains.push_back(&rim->chain());
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<x509::OcspResponse> responses,
                       ReadResponses(evidence));
  Revocation revocation;
  KMS_RETURN_IF_ERROR(CheckCrls(chains, evidence, inputs, revocation));
  revocation.ocsp_checked = true;
  std::set<std::string> seen;  // Manifests share certificates.
  for (const Chain& chain : chains) {
    const std::vector<x509::Certificate>& path = chain->path;
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      if (!seen.insert(path[i].sha256()).second) continue;
      KMS_ASSIGN_OR_RETURN(const x509::OcspAnswer answer,
                           x509::FindOcspAnswer(path[i], path[i + 1], responses,
                                                inputs.now, kSchemes));
      Narrow(answer.valid_from, answer.valid_until, revocation);
      if (answer.response.has_value()) {
        v1::CollateralClaims& used = revocation.used.emplace_back();
        used.set_kind("ocsp_response");
        used.set_subject(Hex(path[i].serial()));
        used.set_digest(responses[*answer.response].sha256());
        used.set_issued_us(absl::ToUnixMicros(answer.this_update));
        used.set_next_update_us(absl::ToUnixMicros(answer.next_update));
      } else if (chain != &device || i > 0) {
        revocation.ocsp_checked = false;
      }
    }
  }
  return revocation;
}

}  // namespace kms::nvidia
