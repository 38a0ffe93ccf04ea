#include "policy/document/claim_facts.h"

#include <algorithm>

#include "policy/document/limits.h"

namespace kms::policy {
namespace {

using google::protobuf::FieldDescriptor;

constexpr v1::EvidenceType kCpuTypes[] = {
    v1::SEV_SNP,     v1::TDX,         v1::SGX,    v1::NITRO,
    v1::AZ_SNP_VTPM, v1::AZ_TDX_VTPM, v1::ARM_CCA};
constexpr v1::EvidenceType kSnpTypes[] = {v1::SEV_SNP, v1::AZ_SNP_VTPM};
constexpr v1::EvidenceType kTdxTypes[] = {v1::TDX, v1::AZ_TDX_VTPM};
constexpr v1::EvidenceType kSgxTypes[] = {v1::SGX};
constexpr v1::EvidenceType kNitroTypes[] = {v1::NITRO};
constexpr v1::EvidenceType kCcaTypes[] = {v1::ARM_CCA};
constexpr v1::EvidenceType kDcapTypes[] = {v1::TDX, v1::SGX, v1::AZ_TDX_VTPM};
constexpr v1::EvidenceType kAzureTypes[] = {v1::AZ_SNP_VTPM, v1::AZ_TDX_VTPM};
constexpr v1::EvidenceType kTpmTypes[] = {v1::TPM, v1::AZ_SNP_VTPM,
                                          v1::AZ_TDX_VTPM};

struct Stated {
  absl::string_view path;
  absl::Span<const v1::EvidenceType> by;
};
const Stated kStated[] = {
    {"cpu", kCpuTypes},         {"cpu.snp", kSnpTypes},
    {"cpu.tdx", kTdxTypes},     {"cpu.sgx", kSgxTypes},
    {"cpu.nitro", kNitroTypes}, {"cpu.cca", kCcaTypes},
    {"cpu.dcap", kDcapTypes},   {"cpu.azure", kAzureTypes},
    {"tpm", kTpmTypes},
};

// Of one length, whatever states them. Those that may also be empty are here
// too: what is empty equals no value of a rule.
struct Sized {
  absl::string_view field;
  size_t size;
};
constexpr Sized kSized[] = {
    {"kms.v1.SnpClaims.family_id", 16},
    {"kms.v1.SnpClaims.image_id", 16},
    {"kms.v1.SnpClaims.id_key_digest", 48},
    {"kms.v1.SnpClaims.author_key_digest", 48},
    {"kms.v1.SnpClaims.report_id", 32},
    {"kms.v1.SnpClaims.report_id_ma", 32},
    {"kms.v1.SnpClaims.cpuid", 3},
    {"kms.v1.SnpTcb.raw", 8},
    {"kms.v1.TdxClaims.tee_tcb_svn", 16},
    {"kms.v1.TdxClaims.tee_tcb_svn_2", 16},
    {"kms.v1.TdxClaims.mrseam", 48},
    {"kms.v1.TdxClaims.mrsignerseam", 48},
    {"kms.v1.TdxClaims.mrtd", 48},
    {"kms.v1.TdxClaims.rtmr0", 48},
    {"kms.v1.TdxClaims.rtmr1", 48},
    {"kms.v1.TdxClaims.rtmr2", 48},
    {"kms.v1.TdxClaims.rtmr3", 48},
    {"kms.v1.TdxClaims.mrconfigid", 48},
    {"kms.v1.TdxClaims.mrowner", 48},
    {"kms.v1.TdxClaims.mrownerconfig", 48},
    {"kms.v1.TdxClaims.mrservicetd", 48},
    {"kms.v1.SgxClaims.mrenclave", 32},
    {"kms.v1.SgxClaims.mrsigner", 32},
    {"kms.v1.SgxClaims.cpu_svn", 16},
    {"kms.v1.SgxClaims.isv_ext_prod_id", 16},
    {"kms.v1.SgxClaims.config_id", 64},
    {"kms.v1.SgxClaims.isv_family_id", 16},
    {"kms.v1.DcapClaims.fmspc", 6},
    {"kms.v1.DcapClaims.pce_id", 2},
    {"kms.v1.DcapClaims.cpu_svn", 16},
    {"kms.v1.DcapClaims.sgx_components", 16},
    {"kms.v1.DcapClaims.ppid", 16},
    {"kms.v1.DcapClaims.platform_instance_id", 16},
    {"kms.v1.DcapClaims.qe_mrsigner", 32},
    {"kms.v1.CcaClaims.implementation_id", 32},
    {"kms.v1.CcaClaims.instance_id", 33},
    {"kms.v1.CcaClaims.realm_personalization", 64},
    {"kms.v1.AzureClaims.runtime_data_digest", 32},
    {"kms.v1.TpmClaims.ak_spki_sha256", 32},
};

std::vector<size_t> MeasurementSizes(v1::EvidenceType type) {
  switch (type) {
    case v1::SGX:
      return {32};
    case v1::ARM_CCA:
      return {32, 48, 64};
    default:
      return {48};
  }
}

struct Words {
  absl::string_view field;
  std::vector<std::string> words;
};
const std::vector<Words>& AllWords() {
  static const auto* const kWords = [] {
    std::vector<std::string> ratings = {std::string(kTcbUpToDate)};
    for (const absl::string_view status : kTcbStatusesAllowable) {
      ratings.emplace_back(status);
    }
    return new std::vector<Words>{
        {"kms.v1.CpuClaims.tcb_status", ratings},
        {"kms.v1.DcapClaims.platform_tcb_status", ratings},
        {"kms.v1.DcapClaims.qe_tcb_status", ratings},
        {"kms.v1.DcapClaims.module_tcb_status", ratings},
        {"kms.v1.DcapClaims.ca", {"processor", "platform"}},
        {"kms.v1.SnpClaims.signing_key", {"VCEK", "VLEK"}},
        {"kms.v1.GpuClaims.kind", {"gpu", "nvswitch"}},
        {"kms.v1.GpuClaims.mode", {"spt", "mpt", "ppcie"}},
        {"kms.v1.TpmClaims.pcr_bank", {"sha256", "sha384"}},
        {"kms.v1.EventLogClaims.format", {"tcg2", "ccel"}},
        {"kms.v1.NitroClaims.digest", {"SHA384"}},
        {"kms.v1.RequestContext.purpose",
         {"release", "unwrap", "generate", "rewrap", "join", "server"}},
    };
  }();
  return *kWords;
}

}  // namespace

absl::Span<const v1::EvidenceType> StatedBy(absl::string_view path) {
  for (const Stated& stated : kStated) {
    if (stated.path == path) return stated.by;
  }
  return {};
}

std::vector<size_t> SizesOf(const FieldDescriptor* field,
                            const EvidenceTypes& types) {
  for (const Sized& sized : kSized) {
    if (sized.field == absl::string_view(field->full_name())) {
      return {sized.size};
    }
  }
  if (field->full_name() != "kms.v1.CpuClaims.measurement") return {};
  std::vector<size_t> sizes;
  for (const v1::EvidenceType type : types) {
    if (std::find(std::begin(kCpuTypes), std::end(kCpuTypes), type) ==
        std::end(kCpuTypes)) {
      continue;
    }
    for (const size_t size : MeasurementSizes(type)) sizes.push_back(size);
  }
  return sizes;
}

std::vector<std::string> WordsOf(const FieldDescriptor* field) {
  for (const Words& words : AllWords()) {
    if (words.field == absl::string_view(field->full_name())) {
      return words.words;
    }
  }
  return {};
}

std::vector<uint64_t> NumbersOf(const FieldDescriptor* field) {
  if (field->full_name() == "kms.v1.SnpClaims.vmpl") {
    return {0, 1, 2, 3, 0xffffffff};
  }
  return {};
}

}  // namespace kms::policy
