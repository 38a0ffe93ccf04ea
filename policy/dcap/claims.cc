#include "policy/dcap/claims.h"

#include <string>

#include "absl/time/time.h"
#include "kms/base/bytes.h"

namespace kms::dcap {
namespace {

template <size_t N>
std::string Bytes(const std::array<uint8_t, N>& field) {
  return ToString(BytesView(field));
}

std::string Name(TcbStatus status) {
  return std::string(TcbStatusName(status));
}

void FillTdx(const UnverifiedQuote& quote, v1::CpuClaims* cpu) {
  const TdReport& td = *quote.td;
  cpu->set_measurement(Bytes(td.mrtd));
  cpu->set_debug((td.attributes & kTdDebug) != 0);
  cpu->set_migratable((td.attributes & kTdMigratable) != 0);
  v1::TdxClaims* tdx = cpu->mutable_tdx();
  tdx->set_quote_version(quote.version);
  tdx->set_tee_tcb_svn(Bytes(td.tee_tcb_svn));
  tdx->set_mrseam(Bytes(td.mrseam));
  tdx->set_mrsignerseam(Bytes(td.mrsignerseam));
  tdx->set_seam_attributes(td.seam_attributes);
  tdx->set_mrtd(Bytes(td.mrtd));
  tdx->set_rtmr0(Bytes(td.rtmr[0]));
  tdx->set_rtmr1(Bytes(td.rtmr[1]));
  tdx->set_rtmr2(Bytes(td.rtmr[2]));
  tdx->set_rtmr3(Bytes(td.rtmr[3]));
  tdx->set_mrconfigid(Bytes(td.mrconfigid));
  tdx->set_mrowner(Bytes(td.mrowner));
  tdx->set_mrownerconfig(Bytes(td.mrownerconfig));
  if (td.is_15) {
    tdx->set_tee_tcb_svn_2(Bytes(td.tee_tcb_svn_2));
    tdx->set_mrservicetd(Bytes(td.mrservicetd));
  }
  tdx->set_xfam(td.xfam);
  tdx->set_attributes(td.attributes);
  tdx->set_debug((td.attributes & kTdDebug) != 0);
  tdx->set_sept_ve_disable((td.attributes & kTdSeptVeDisable) != 0);
  tdx->set_migratable((td.attributes & kTdMigratable) != 0);
  tdx->set_pks((td.attributes & kTdPks) != 0);
  tdx->set_kl((td.attributes & kTdKl) != 0);
  tdx->set_perfmon((td.attributes & kTdPerfmon) != 0);
  tdx->set_tpa((td.attributes & kTdTpa) != 0);
  tdx->set_lass((td.attributes & kTdLass) != 0);
}

void FillSgx(const UnverifiedQuote& quote, v1::CpuClaims* cpu) {
  const SgxReport& report = *quote.sgx;
  cpu->set_measurement(Bytes(report.mrenclave));
  cpu->set_debug((report.attributes & kSgxDebug) != 0);
  v1::SgxClaims* sgx = cpu->mutable_sgx();
  sgx->set_quote_version(quote.version);
  sgx->set_mrenclave(Bytes(report.mrenclave));
  sgx->set_mrsigner(Bytes(report.mrsigner));
  sgx->set_isv_prod_id(report.isv_prod_id);
  sgx->set_isv_svn(report.isv_svn);
  sgx->set_cpu_svn(Bytes(report.cpu_svn));
  sgx->set_misc_select(report.misc_select);
  sgx->set_attributes(report.attributes);
  sgx->set_xfrm(report.xfrm);
  sgx->set_init((report.attributes & kSgxInit) != 0);
  sgx->set_debug((report.attributes & kSgxDebug) != 0);
  sgx->set_mode64bit((report.attributes & kSgxMode64Bit) != 0);
  sgx->set_provision_key((report.attributes & kSgxProvisionKey) != 0);
  sgx->set_einittoken_key((report.attributes & kSgxEinittokenKey) != 0);
  sgx->set_kss((report.attributes & kSgxKss) != 0);
  sgx->set_isv_ext_prod_id(Bytes(report.isv_ext_prod_id));
  sgx->set_config_id(Bytes(report.config_id));
  sgx->set_config_svn(report.config_svn);
  sgx->set_isv_family_id(Bytes(report.isv_family_id));
}

void FillDcap(const VerifiedQuote& verified, v1::DcapClaims* dcap) {
  const Platform& platform = verified.platform();
  const TcbRating& rating = verified.rating();
  dcap->set_platform_tcb_status(Name(rating.platform));
  dcap->set_qe_tcb_status(Name(rating.qe));
  if (rating.module.has_value()) {
    dcap->set_module_tcb_status(Name(*rating.module));
  }
  for (const std::string& advisory : rating.platform_advisories) {
    dcap->add_advisory_ids(advisory);
  }
  dcap->set_platform_tcb_date_us(absl::ToUnixMicros(rating.platform_date));
  dcap->set_tcb_evaluation_data_number(
      platform.tcb_info.evaluation_data_number);
  dcap->set_qe_tcb_evaluation_data_number(
      platform.qe_identity.evaluation_data_number);

  const PckExtension& pck = platform.pck.sgx;
  dcap->set_fmspc(Bytes(pck.fmspc));
  dcap->set_pce_id(Bytes(pck.pce_id));
  dcap->set_pce_svn(pck.pce_svn);
  dcap->set_cpu_svn(Bytes(pck.cpu_svn));
  dcap->set_sgx_components(Bytes(pck.components));
  dcap->set_ppid(Bytes(pck.ppid));
  dcap->set_ca(platform.pck.platform_ca ? "platform" : "processor");
  if (pck.platform_instance_id.has_value()) {
    dcap->set_platform_instance_id(Bytes(*pck.platform_instance_id));
  }
  if (pck.configuration.has_value()) {
    dcap->set_dynamic_platform(pck.configuration->dynamic_platform);
    dcap->set_cached_keys(pck.configuration->cached_keys);
    dcap->set_smt_enabled(pck.configuration->smt_enabled);
  }
  dcap->set_qe_isv_svn(verified.quote().qe_report.isv_svn);
  dcap->set_qe_mrsigner(Bytes(verified.quote().qe_report.mrsigner));
}

}  // namespace

void FillClaims(const VerifiedQuote& verified, v1::Claims* claims) {
  const UnverifiedQuote& quote = verified.quote();
  const Platform& platform = verified.platform();
  v1::CpuClaims* cpu = claims->mutable_cpu();
  cpu->set_type(TypeOf(quote.tee));
  cpu->set_anchor(platform.anchor.name);
  cpu->set_simulated(platform.anchor.simulated);
  cpu->set_report_data(Bytes(quote.report_data()));
  // Of the two names of a platform this is the one that its owner cannot
  // change: a platform instance id is new after each registration.
  cpu->set_chip_id(Bytes(platform.pck.sgx.ppid));
  cpu->set_tcb_status(Name(verified.rating().status));
  for (const std::string& advisory : verified.rating().advisories) {
    cpu->add_advisory_ids(advisory);
  }
  if (quote.td.has_value()) {
    FillTdx(quote, cpu);
  } else {
    FillSgx(quote, cpu);
  }
  FillDcap(verified, cpu->mutable_dcap());
  for (const v1::CollateralClaims& used : platform.collateral) {
    *claims->add_collateral() = used;
  }
}

}  // namespace kms::dcap
