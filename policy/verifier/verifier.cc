#include "policy/verifier/verifier.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/az_vtpm/verifier.h"
#include "policy/cca/verifier.h"
#include "policy/dcap/verifier.h"
#include "policy/nitro/verifier.h"
#include "policy/nvidia/verifier.h"
#include "policy/sev_snp/verifier.h"
#include "policy/tpm/verifier.h"

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
  static const auto* const kVerifiers =
      new std::vector<const EvidenceVerifier*>{
          new cca::Verifier(),
          new nitro::Verifier(),
          new sev_snp::Verifier(),
          new dcap::Verifier(dcap::TeeKind::kTdx),
          new dcap::Verifier(dcap::TeeKind::kSgx),
          new nvidia::Verifier(),
          new tpm::Verifier(),
          new az_vtpm::Verifier(az_vtpm::Hardware::kSnp),
          new az_vtpm::Verifier(az_vtpm::Hardware::kTdx),
      };
  for (const EvidenceVerifier* verifier : *kVerifiers) {
    if (verifier->type() == type) return verifier;
  }
  return nullptr;
}

bool IsAzure(v1::EvidenceType type) {
  return type == v1::AZ_SNP_VTPM || type == v1::AZ_TDX_VTPM;
}
bool IsCpu(v1::EvidenceType type) {
  return type != v1::TPM && type != v1::NVIDIA_GPU;
}
bool IsTpm(v1::EvidenceType type) { return type == v1::TPM || IsAzure(type); }

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
  return absl::OkStatus();
}

// Before any signature is looked at.
absl::Status CheckPieces(const v1::EvidenceBundle& bundle) {
  int cpus = 0;
  int tpms = 0;
  for (const v1::Evidence& evidence : bundle.evidence()) {
    if (FindVerifier(evidence.type()) == nullptr) return Unsupported();
    cpus += IsCpu(evidence.type()) ? 1 : 0;
    tpms += IsTpm(evidence.type()) ? 1 : 0;
  }
  if (cpus <= 1 && tpms <= 1) return absl::OkStatus();
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("evidence bundle: ", cpus, " CPU TEEs and ", tpms,
                             " TPMs, want at most one of each"));
}

// One device must not stand for two, also not after a change of its firmware.
absl::Status CheckDistinct(const v1::Claims& claims) {
  std::set<std::string> chips;
  for (const v1::GpuClaims& gpu : claims.gpus()) {
    if (gpu.device_id().empty() || !chips.insert(gpu.device_id()).second) {
      return Refuse(v1::EVIDENCE_INCONSISTENT,
                    "evidence bundle: one GPU twice, or one without identity");
    }
  }
  return absl::OkStatus();
}

// Sorted and each once: two pieces may stand on the same CRL.
void Sort(google::protobuf::RepeatedPtrField<v1::CollateralClaims>& used) {
  const auto key = [](const v1::CollateralClaims& c) {
    return std::tie(c.kind(), c.subject(), c.digest());
  };
  std::sort(used.begin(), used.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  const auto end = std::unique(
      used.begin(), used.end(),
      [&](const auto& a, const auto& b) { return key(a) == key(b); });
  used.DeleteSubrange(static_cast<int>(end - used.begin()),
                      static_cast<int>(used.end() - end));
}

bool Bound(v1::EvidenceType type, const std::string& field, BytesView want) {
  const absl::StatusOr<size_t> bound = BoundBytes(type);
  const BytesView have = AsBytes(field);
  return bound.ok() && want.size() >= *bound && have.size() >= *bound &&
         ConstantTimeEqual(have.first(*bound), want.first(*bound)) &&
         AllZero(have.subspan(*bound));
}

absl::Status NotBound(absl::string_view part) {
  return Refuse(
      v1::EVIDENCE_NOT_BOUND,
      absl::StrCat("evidence: ", part, " is not bound to this session"));
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
  KMS_RETURN_IF_ERROR(CheckPieces(bundle));
  v1::Claims claims;
  for (const v1::Evidence& evidence : bundle.evidence()) {
    KMS_ASSIGN_OR_RETURN(
        v1::Claims piece,
        FindVerifier(evidence.type())->Verify(evidence, inputs));
    if (bundle.evidence_size() == 1) {
      claims = std::move(piece);  // Not a second copy.
    } else {
      claims.MergeFrom(piece);
    }
  }
  KMS_RETURN_IF_ERROR(CheckDistinct(claims));
  Sort(*claims.mutable_collateral());
  return claims;
}

absl::StatusOr<size_t> BoundBytes(v1::EvidenceType type) {
  const EvidenceVerifier* verifier = FindVerifier(type);
  if (verifier == nullptr) return Unsupported();
  return verifier->bound_bytes();
}

absl::Status CheckReportData(const v1::Claims& claims, BytesView want) {
  const bool azure = IsAzure(claims.cpu().type());
  if (!claims.has_cpu() && !claims.has_tpm()) return NotBound("no part");
  if (claims.has_cpu() && !azure &&
      !Bound(claims.cpu().type(), claims.cpu().report_data(), want)) {
    return NotBound("report data");
  }
  if ((claims.has_tpm() || azure) &&
      !Bound(claims.tpm().type(), claims.tpm().nonce(), want)) {
    return NotBound("the TPM's quote");
  }
  return absl::OkStatus();
}

absl::Status CheckBinding(const v1::Claims& claims, const Binding& want) {
  KMS_RETURN_IF_ERROR(CheckReportData(claims, want.transcript));
  for (const v1::GpuClaims& gpu : claims.gpus()) {
    if (!Bound(v1::NVIDIA_GPU, gpu.nonce(), want.gpu_nonce)) {
      return NotBound("a GPU");
    }
  }
  return absl::OkStatus();
}

}  // namespace kms::policy
