#include "policy/az_vtpm/verifier.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/az_vtpm/hardware.h"
#include "policy/az_vtpm/limits.h"
#include "policy/az_vtpm/runtime_data.h"
#include "policy/tpm/ak_trust.h"
#include "policy/tpm/attestation_key.h"
#include "policy/tpm/claims.h"
#include "policy/tpm/quote.h"
#include "policy/verifier/evidence_files.h"

namespace kms::az_vtpm {
namespace {

constexpr absl::string_view kSubject = "azure vtpm evidence";

// What both kinds have: the HCL report, and what is said of the vTPM.
constexpr absl::string_view kRoles[] = {
    "evidence",      "ak_public",    "ak_cert",
    "ak_cert_chain", "quote_attest", "quote_signature",
    "pcrs",          "event_log",    "nonce"};
// What their hardware half has; policy/sev_snp and policy/dcap judge it.
constexpr absl::string_view kSnpRoles[] = {"vcek", "vlek", "cert_chain",
                                           "cert_table", "crl"};
constexpr absl::string_view kTdxRoles[] = {"evidence_hw",
                                           "tcb_info",
                                           "tcb_info_issuer_chain",
                                           "qe_identity",
                                           "qe_identity_issuer_chain",
                                           "pck_crl",
                                           "pck_crl_issuer_chain",
                                           "root_ca_crl",
                                           "crl"};

// Parsed runtime data and its key in memory, roughly.
constexpr size_t kVouchedBytes = 4096;

// Azure's roots certify other devices as well.
constexpr absl::string_view kPurposes[] = {tpm::kPurposeAk};

std::vector<absl::string_view> RolesOf(Hardware hardware) {
  std::vector<absl::string_view> roles(std::begin(kRoles), std::end(kRoles));
  if (hardware == Hardware::kSnp) {
    roles.insert(roles.end(), std::begin(kSnpRoles), std::end(kSnpRoles));
  } else {
    roles.insert(roles.end(), std::begin(kTdxRoles), std::end(kTdxRoles));
  }
  return roles;
}

// openhcl_attestation_protocol: the hash, and zeros.
absl::Status CheckRuntimeData(const std::string& report_data,
                              const std::string& digest) {
  const BytesView data = AsBytes(report_data);
  if (data.size() > digest.size() &&
      data.first(digest.size()) == AsBytes(digest) &&
      AllZero(data.subspan(digest.size()))) {
    return absl::OkStatus();
  }
  return Refuse(v1::EVIDENCE_INCONSISTENT,
                "hcl report: the hardware does not vouch for the runtime data");
}

// What the runtime data says, and who else vouches for its AK. What is
// remembered of a VM that was seen before, so that its next Evidence costs its
// two signatures only.
struct Vouched {
  RuntimeData data;
  tpm::AttestationKey ak;
  std::shared_ptr<const tpm::CertifiedAk> certified;  // Null: nobody.
};

// The AK of the runtime data, and what its holder may tell of it besides.
absl::StatusOr<tpm::AttestationKey> ReadAk(const v1::Evidence& evidence,
                                           const crypto::PublicKey& ak) {
  const std::string* file = policy::FindFile(evidence, "ak_public");
  if (file == nullptr) return tpm::AttestationKey{ak, std::nullopt};
  KMS_ASSIGN_OR_RETURN(tpm::AttestationKey key,
                       tpm::ParseAttestationKey(AsBytes(*file)));
  if (key.key == ak) return key;
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                "tpm attestation key: not the one of the runtime data");
}

// The certificate of the AK, if one came; Azure issues it, but the hardware
// has vouched for the key already.
absl::StatusOr<std::shared_ptr<const tpm::CertifiedAk>> Certify(
    const v1::Evidence& evidence, const crypto::PublicKey& ak,
    const policy::VerifyInputs& inputs) {
  const std::string* file = policy::FindFile(evidence, "ak_cert");
  if (file == nullptr) {
    if (policy::FindFile(evidence, "ak_cert_chain") == nullptr) return nullptr;
    return Refuse(v1::ENDORSEMENT_MISSING,
                  "tpm ak certificate: a chain without one");
  }
  KMS_ASSIGN_OR_RETURN(const x509::Certificate certificate,
                       tpm::ParseAkCertificate(AsBytes(*file)));
  if (certificate.public_key() != ak) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "tpm ak certificate: of another key than the Evidence's");
  }
  return tpm::VerifyAkCertificate(certificate, evidence,
                                  {.type = evidence.type(),
                                   .purposes = kPurposes,
                                   .purpose_required = true},
                                  inputs);
}

// `ak_files`: what came with the AK (Split). REQUIRES: the hardware vouches for
// `runtime_data`.
absl::StatusOr<Vouched> ReadVouched(absl::string_view runtime_data,
                                    const v1::Evidence& ak_files,
                                    const policy::VerifyInputs& inputs) {
  KMS_ASSIGN_OR_RETURN(RuntimeData data, ParseRuntimeData(runtime_data));
  KMS_ASSIGN_OR_RETURN(tpm::AttestationKey ak, ReadAk(ak_files, data.ak));
  KMS_ASSIGN_OR_RETURN(auto certified, Certify(ak_files, data.ak, inputs));
  return Vouched{std::move(data), std::move(ak), std::move(certified)};
}

// Every input of ReadVouched but the time. `digest`: of the runtime data.
std::string CacheKey(const std::string& digest, const v1::Evidence& ak_files,
                     const policy::VerifyInputs& inputs) {
  policy::VerifiedCacheKey key("azure vtpm");
  key.Add(inputs.anchors.For(ak_files.type()).digest).Add(digest);
  tpm::AddAkFiles(ak_files, key);
  if (inputs.collateral != nullptr) key.Add(inputs.collateral->digest());
  return key.Finish();
}

void Remember(std::shared_ptr<const Vouched> vouched, const std::string& key,
              policy::VerifiedCache& cache) {
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  size_t bytes = kVouchedBytes;
  if (vouched->certified != nullptr) {
    const x509::VerifiedChain& chain = vouched->certified->chain();
    from = chain.valid_from;
    until = chain.valid_until;
    bytes += x509::MemoryBytes(chain);
  }
  cache.Insert(key, std::move(vouched), from, until, bytes);
}

void FillAzure(const UnverifiedHclReport& report, const RuntimeData& data,
               const std::string& digest, v1::AzureClaims* azure) {
  azure->set_hcl_version(report.version);
  azure->set_runtime_data_digest(digest);
  azure->set_user_data(data.user_data);
  azure->set_has_vm_configuration(data.has_vm_configuration);
  azure->set_secure_boot(data.secure_boot);
  azure->set_tpm_enabled(data.tpm_enabled);
  azure->set_tpm_persisted(data.tpm_persisted);
  azure->set_console_enabled(data.console_enabled);
  azure->set_vm_unique_id(data.vm_unique_id);
}

void FillAk(const tpm::CertifiedAk& certified, v1::EvidenceType type,
            const policy::VerifyInputs& inputs, v1::Claims& claims) {
  const policy::TrustAnchor& anchor =
      inputs.anchors.For(type).anchors[certified.chain().anchor];
  v1::TpmClaims& tpm = *claims.mutable_tpm();
  tpm.set_anchor(anchor.name);
  tpm.set_simulated(tpm.simulated() || anchor.simulated);
  tpm.set_ak_certified(true);
  tpm.set_ak_subject(certified.subject());
  for (const v1::CollateralClaims& used : certified.collateral()) {
    *claims.add_collateral() = used;
  }
}

}  // namespace

absl::StatusOr<v1::Claims> Verifier::Verify(
    const v1::Evidence& evidence, const policy::VerifyInputs& inputs) const {
  KMS_RETURN_IF_ERROR(policy::CheckSize(evidence, kSubject, kEvidenceBytesMax));
  KMS_RETURN_IF_ERROR(
      policy::CheckRoles(evidence, kSubject, RolesOf(hardware_)));
  KMS_ASSIGN_OR_RETURN(const BytesView file,
                       policy::RequireFile(evidence, kSubject, "evidence"));
  KMS_ASSIGN_OR_RETURN(const UnverifiedHclReport report, ParseHclReport(file));
  if (report.hardware != hardware_) {
    return Refuse(v1::EVIDENCE_INCONSISTENT,
                  "hcl report: of other hardware than the Evidence's type");
  }
  KMS_ASSIGN_OR_RETURN(const Halves halves,
                       Split(report, evidence, inputs.anchors));
  KMS_ASSIGN_OR_RETURN(v1::Claims claims,
                       VerifyHardware(report, halves.hardware, inputs));
  const std::string digest = crypto::Sha256(AsBytes(report.runtime_data));
  KMS_RETURN_IF_ERROR(CheckRuntimeData(claims.cpu().report_data(), digest));
  // From here on the runtime data is the paravisor's own.
  std::string cache_key;
  std::shared_ptr<const Vouched> vouched;
  if (inputs.cache != nullptr) {
    cache_key = CacheKey(digest, halves.ak, inputs);
    vouched = inputs.cache->Find<Vouched>(cache_key, inputs.now);
  }
  const bool cached = vouched != nullptr;
  if (!cached) {
    KMS_ASSIGN_OR_RETURN(Vouched read,
                         ReadVouched(report.runtime_data, halves.ak, inputs));
    vouched = std::make_shared<const Vouched>(std::move(read));
  }
  KMS_ASSIGN_OR_RETURN(const tpm::VerifiedQuote quote,
                       tpm::VerifyQuote(evidence, vouched->ak));

  claims.mutable_cpu()->set_type(type());
  FillAzure(report, vouched->data, digest,
            claims.mutable_cpu()->mutable_azure());
  KMS_ASSIGN_OR_RETURN(*claims.mutable_tpm(), tpm::MakeClaims(quote, evidence));
  claims.mutable_tpm()->set_type(type());
  claims.mutable_tpm()->set_simulated(claims.cpu().simulated());
  if (vouched->certified != nullptr) {
    FillAk(*vouched->certified, type(), inputs, claims);
  }
  // Only who also has a quote signed by the key may take a place among those
  // that we remember.
  if (inputs.cache != nullptr && !cached) {
    Remember(vouched, cache_key, *inputs.cache);
  }
  return claims;
}

}  // namespace kms::az_vtpm
