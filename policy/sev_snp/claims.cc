#include "policy/sev_snp/claims.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"

namespace kms::sev_snp {
namespace {

template <size_t N>
std::string Bytes(const std::array<uint8_t, N>& field) {
  return ToString(BytesView(field));
}

std::string Text(const FirmwareVersion& version) {
  return absl::StrCat(version.major, ".", version.minor, ".", version.build);
}

void FillTcb(const Tcb& tcb, const RawTcb& raw, v1::SnpTcb* out) {
  out->set_fmc(tcb.fmc);
  out->set_bootloader(tcb.bootloader);
  out->set_tee(tcb.tee);
  out->set_snp(tcb.snp);
  out->set_microcode(tcb.microcode);
  out->set_raw(Bytes(raw));
}

void FillPolicy(uint64_t policy, v1::SnpClaims* snp) {
  snp->set_policy(policy);
  snp->set_abi_minor(static_cast<uint32_t>(policy & 0xff));
  snp->set_abi_major(static_cast<uint32_t>(policy >> 8 & 0xff));
  snp->set_smt_allowed((policy & kPolicySmt) != 0);
  snp->set_migrate_ma((policy & kPolicyMigrateMa) != 0);
  snp->set_debug_allowed((policy & kPolicyDebug) != 0);
  snp->set_single_socket((policy & kPolicySingleSocket) != 0);
  snp->set_cxl_allowed((policy & kPolicyCxl) != 0);
  snp->set_mem_aes_256_xts((policy & kPolicyMemAes256Xts) != 0);
  snp->set_rapl_disabled((policy & kPolicyRaplDisabled) != 0);
  snp->set_ciphertext_hiding((policy & kPolicyCiphertextHiding) != 0);
  snp->set_page_swap_disabled((policy & kPolicyPageSwapDisabled) != 0);
}

void FillPlatform(uint64_t info, v1::SnpClaims* snp) {
  snp->set_platform_info(info);
  snp->set_smt_enabled((info & kPlatformSmt) != 0);
  snp->set_tsme_enabled((info & kPlatformTsme) != 0);
  snp->set_ecc_enabled((info & kPlatformEcc) != 0);
  snp->set_rapl_off((info & kPlatformRaplOff) != 0);
  snp->set_ciphertext_hiding_enabled((info & kPlatformCiphertextHiding) != 0);
  snp->set_alias_check_complete((info & kPlatformAliasCheck) != 0);
  snp->set_tio_enabled((info & kPlatformTio) != 0);
}

void FillIdentity(const UnverifiedReport& report, v1::SnpClaims* snp) {
  snp->set_version(report.version);
  snp->set_guest_svn(report.guest_svn);
  snp->set_vmpl(report.vmpl);
  snp->set_family_id(Bytes(report.family_id));
  snp->set_image_id(Bytes(report.image_id));
  snp->set_id_key_digest(Bytes(report.id_key_digest));
  snp->set_author_key_digest(Bytes(report.author_key_digest));
  snp->set_author_key_en(report.author_key_en);
  snp->set_report_id(Bytes(report.report_id));
  snp->set_report_id_ma(Bytes(report.report_id_ma));
  snp->set_cpuid(Bytes(report.cpuid));
  snp->set_launch_mit_vector(report.launch_mit_vector);
  snp->set_current_mit_vector(report.current_mit_vector);
}

}  // namespace

v1::Claims MakeClaims(const VerifiedReport& verified,
                      const policy::TrustAnchor& anchor) {
  const UnverifiedReport& report = verified.report();
  v1::Claims claims;
  v1::CpuClaims* cpu = claims.mutable_cpu();
  cpu->set_type(v1::SEV_SNP);
  cpu->set_anchor(anchor.name);
  cpu->set_simulated(anchor.simulated);
  cpu->set_report_data(Bytes(report.report_data));
  cpu->set_measurement(Bytes(report.measurement));
  cpu->set_debug((report.policy & kPolicyDebug) != 0);
  cpu->set_migratable((report.policy & kPolicyMigrateMa) != 0);
  cpu->set_product(std::string(ProductName(verified.product())));
  // A VLEK's report has chip id zero: the machine is not stated.
  if (!verified.key().hwid.empty()) cpu->set_chip_id(Bytes(report.chip_id));
  cpu->set_host_data(Bytes(report.host_data));

  v1::SnpClaims* snp = cpu->mutable_snp();
  FillIdentity(report, snp);
  FillPolicy(report.policy, snp);
  FillPlatform(report.platform_info, snp);
  snp->set_signing_key(verified.key().kind == SigningKey::kVlek ? "VLEK"
                                                                : "VCEK");
  snp->set_mask_chip_key(false);  // The parser refuses masked reports.
  snp->set_csp_id(verified.key().csp_id);
  FillTcb(verified.current_tcb(), report.current_tcb,
          snp->mutable_current_tcb());
  FillTcb(verified.reported_tcb(), report.reported_tcb,
          snp->mutable_reported_tcb());
  FillTcb(verified.committed_tcb(), report.committed_tcb,
          snp->mutable_committed_tcb());
  FillTcb(verified.launch_tcb(), report.launch_tcb, snp->mutable_launch_tcb());
  snp->set_current_firmware(Text(report.current_firmware));
  snp->set_committed_firmware(Text(report.committed_firmware));
  return claims;
}

}  // namespace kms::sev_snp
