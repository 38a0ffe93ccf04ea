#include "policy/verifier/verifier.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/sev_snp/verifier.h"

namespace kms::policy {
namespace {

struct TypeName {
  v1::EvidenceType type;
  absl::string_view name;
};
constexpr TypeName kTypeNames[] = {
    {v1::SEV_SNP, "sev-snp"},
    {v1::TDX, "tdx"},
    {v1::SGX, "sgx"},
    {v1::NVIDIA_GPU, "nvidia-gpu"},
    {v1::NITRO, "nitro"},
    {v1::TPM, "tpm"},
    {v1::AZ_SNP_VTPM, "az-snp-vtpm"},
    {v1::AZ_TDX_VTPM, "az-tdx-vtpm"},
    {v1::ARM_CCA, "arm-cca"},
};

struct Role {
  absl::string_view name;
  bool repeated;
};
constexpr Role kRoles[] = {
    {"evidence", false},     {"vcek", false},
    {"vlek", false},         {"cert_chain", true},
    {"cert_table", false},   {"crl", true},
    {"tcb_info", false},     {"tcb_info_issuer_chain", false},
    {"qe_identity", false},  {"qe_identity_issuer_chain", false},
    {"pck_crl", false},      {"pck_crl_issuer_chain", false},
    {"root_ca_crl", false},  {"rim_driver", true},
    {"rim_vbios", true},     {"ocsp_response", true},
    {"quote_attest", false}, {"quote_signature", false},
    {"pcrs", false},         {"ak_public", false},
    {"ak_cert", false},      {"ak_cert_chain", true},
    {"evidence_hw", false},  {"event_log", false},
    {"nonce", false},
};

const Role* FindRole(absl::string_view name) {
  for (const Role& role : kRoles) {
    if (role.name == name) return &role;
  }
  return nullptr;
}

const EvidenceVerifier* FindVerifier(v1::EvidenceType type) {
  static const auto* const kSevSnp = new sev_snp::Verifier();
  for (const EvidenceVerifier* verifier : {kSevSnp}) {
    if (verifier->type() == type) return verifier;
  }
  return nullptr;
}

absl::Status Unsupported() {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                "evidence: no verifier for this type");
}

absl::Status TooLarge(absl::string_view subject, size_t have, size_t want) {
  return Refuse(v1::REQUEST_TOO_LARGE,
                absl::StrCat(subject, ": ", have, ", want at most ", want));
}

absl::Status CheckFiles(const v1::Evidence& evidence, size_t* bytes) {
  if (evidence.files_size() > kEvidenceFilesMax) {
    return TooLarge("evidence files",
                    static_cast<size_t>(evidence.files_size()),
                    kEvidenceFilesMax);
  }
  std::set<absl::string_view> seen;
  for (const v1::EvidenceFile& file : evidence.files()) {
    const Role* role = FindRole(file.role());
    if (role == nullptr) {
      return Refuse(v1::EVIDENCE_MALFORMED, "evidence: unknown role of a file");
    }
    if (!seen.insert(role->name).second && !role->repeated) {
      return Refuse(v1::EVIDENCE_MALFORMED,
                    absl::StrCat("evidence: two files of role ", role->name));
    }
    if (file.content().size() > kEvidenceFileBytesMax) {
      return TooLarge("evidence file bytes", file.content().size(),
                      kEvidenceFileBytesMax);
    }
    *bytes += file.content().size();
  }
  if (seen.count("evidence") == 0) {
    return Refuse(v1::EVIDENCE_MALFORMED, "evidence: no file of role evidence");
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view EvidenceTypeName(v1::EvidenceType type) {
  for (const TypeName& known : kTypeNames) {
    if (known.type == type) return known.name;
  }
  return "";
}

v1::EvidenceType EvidenceTypeNamed(absl::string_view name) {
  for (const TypeName& known : kTypeNames) {
    if (known.name == name) return known.type;
  }
  return v1::EVIDENCE_TYPE_UNSPECIFIED;
}

bool IsEvidenceRole(absl::string_view role) {
  return FindRole(role) != nullptr;
}

absl::Status CheckBounds(const v1::EvidenceBundle& bundle) {
  if (bundle.evidence_size() == 0) {
    return Refuse(v1::EVIDENCE_MALFORMED, "evidence bundle: empty");
  }
  if (bundle.evidence_size() > kEvidencePiecesMax) {
    return TooLarge("evidence bundle pieces",
                    static_cast<size_t>(bundle.evidence_size()),
                    kEvidencePiecesMax);
  }
  size_t bytes = 0;
  for (const v1::Evidence& evidence : bundle.evidence()) {
    KMS_RETURN_IF_ERROR(CheckFiles(evidence, &bytes));
  }
  if (bytes > kEvidenceBundleBytesMax) {
    return TooLarge("evidence bundle bytes", bytes, kEvidenceBundleBytesMax);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Claims> VerifyBundle(const v1::EvidenceBundle& bundle,
                                        const VerifyInputs& inputs) {
  KMS_RETURN_IF_ERROR(CheckBounds(bundle));
  for (const v1::Evidence& evidence : bundle.evidence()) {
    if (FindVerifier(evidence.type()) == nullptr) return Unsupported();
  }
  // Every type with a verifier is a CPU's, of which a workload has one.
  if (bundle.evidence_size() != 1) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  absl::StrCat("evidence bundle: ", bundle.evidence_size(),
                               " pieces of a CPU type, want 1"));
  }
  const v1::Evidence& evidence = bundle.evidence(0);
  return FindVerifier(evidence.type())->Verify(evidence, inputs);
}

absl::StatusOr<size_t> BoundBytes(v1::EvidenceType type) {
  const EvidenceVerifier* verifier = FindVerifier(type);
  if (verifier == nullptr) return Unsupported();
  return verifier->bound_bytes();
}

absl::Status CheckBinding(const v1::Claims& claims, BytesView want) {
  KMS_ASSIGN_OR_RETURN(const size_t bound, BoundBytes(claims.cpu().type()));
  const BytesView have = AsBytes(claims.cpu().report_data());
  if (want.size() != bound || have.size() < bound ||
      !ConstantTimeEqual(have.first(bound), want) ||
      !AllZero(have.subspan(bound))) {
    return Refuse(v1::EVIDENCE_NOT_BOUND,
                  "evidence: report data is not what must be bound");
  }
  return absl::OkStatus();
}

}  // namespace kms::policy
