#include "policy/dcap/rating.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::dcap {
namespace {

// Positions in TEE_TCB_SVN: of the TDX module and its loader.
constexpr size_t kModuleSvn = 0;
constexpr size_t kModuleVersion = 1;
constexpr size_t kSeamLoaderSvn = 2;

absl::Status BelowAll(absl::string_view subject) {
  return Refuse(v1::TCB_UNSUPPORTED,
                absl::StrCat("dcap tcb: ", subject,
                             " is below every level of its TCB info"));
}
absl::Status Revoked(absl::string_view subject) {
  return Refuse(v1::TCB_REVOKED, absl::StrCat("dcap tcb: the level of ",
                                              subject, " is revoked"));
}

// Each component by itself: a higher one does not make up for a lower one.
bool Reaches(const TcbComponents& have, const TcbComponents& want,
             size_t first) {
  for (size_t i = first; i < have.size(); ++i) {
    if (have[i] < want[i]) return false;
  }
  return true;
}

struct MatchedLevels {
  const TcbLevel* sgx = nullptr;  // The first that the SGX side reaches.
  const TcbLevel* all = nullptr;  // The first that all of it reaches.
};

MatchedLevels MatchLevels(const PckExtension& pck, const UnverifiedQuote& quote,
                          const TcbInfo& tcb_info) {
  MatchedLevels matched;
  for (const TcbLevel& level : tcb_info.levels) {
    if (!Reaches(pck.components, level.sgx, 0) || pck.pce_svn < level.pce_svn) {
      continue;
    }
    if (matched.sgx == nullptr) matched.sgx = &level;
    if (quote.td.has_value()) {
      // "If TEE TCB SVN at index 1 is not 0, skip comparing indices 0 and 1":
      // such modules are rated by their identity.
      const TcbComponents& svn = quote.td->tee_tcb_svn;
      if (!Reaches(svn, level.tdx, svn[kModuleVersion] == 0 ? 0 : 2)) continue;
    }
    matched.all = &level;
    break;
  }
  return matched;
}

absl::StatusOr<const TdxModuleIdentity*> FindIdentity(const TcbInfo& tcb_info,
                                                      uint8_t version) {
  for (const TdxModuleIdentity& identity : tcb_info.identities) {
    if (identity.version == version) return &identity;
  }
  return Refuse(v1::ENDORSEMENT_MISMATCH,
                absl::StrCat("dcap tcb: the TCB info does not know TDX modules "
                             "of version ",
                             version));
}

absl::Status CheckModule(const TdReport& td, const TdxModule& module) {
  if (td.mrsignerseam != module.mrsigner) {
    return Refuse(v1::MEASUREMENT_MISMATCH,
                  "dcap tdx module: MRSIGNERSEAM is not the TCB info's");
  }
  if ((td.seam_attributes & module.attributes_mask) != module.attributes) {
    return Refuse(v1::MEASUREMENT_MISMATCH,
                  "dcap tdx module: SEAMATTRIBUTES are not the TCB info's");
  }
  return absl::OkStatus();
}

// The level of a module that is rated by its identity, or null for one that is
// rated among the platform's components.
absl::StatusOr<const IsvLevel*> RateModule(const TdReport& td,
                                           const TcbInfo& tcb_info) {
  const uint8_t version = td.tee_tcb_svn[kModuleVersion];
  if (version == 0) {
    KMS_RETURN_IF_ERROR(CheckModule(td, *tcb_info.module));
    return nullptr;
  }
  KMS_ASSIGN_OR_RETURN(const TdxModuleIdentity* identity,
                       FindIdentity(tcb_info, version));
  KMS_RETURN_IF_ERROR(CheckModule(td, identity->module));
  const IsvLevel* level =
      FindIsvLevel(identity->levels, td.tee_tcb_svn[kModuleSvn]);
  if (level == nullptr) return BelowAll("the TDX module");
  return level;
}

// QVL's TDRelaunchCheck: a TD keeps the rating of the module that it was
// launched under (tee_tcb_svn); where the module that runs now
// (tee_tcb_svn_2) is the latest, launching the TD again is all that it takes.
absl::StatusOr<TcbStatus> AdviseRelaunch(const TdReport& td,
                                         const TcbInfo& tcb_info,
                                         const TcbRating& rating,
                                         TcbStatus sgx) {
  const bool outdated =
      rating.status == TcbStatus::kOutOfDate ||
      rating.status == TcbStatus::kOutOfDateConfigurationNeeded;
  const bool sgx_current = sgx != TcbStatus::kOutOfDate &&
                           sgx != TcbStatus::kOutOfDateConfigurationNeeded;
  if (!td.is_15 || !outdated || !sgx_current ||
      rating.module != TcbStatus::kOutOfDate ||
      rating.qe != TcbStatus::kUpToDate) {
    return rating.status;
  }
  const TcbLevel& latest = tcb_info.levels.front();
  const TcbComponents& now = td.tee_tcb_svn_2;
  uint16_t module_svn = latest.tdx[kModuleSvn];
  if (now[kModuleVersion] != 0) {
    KMS_ASSIGN_OR_RETURN(const TdxModuleIdentity* identity,
                         FindIdentity(tcb_info, now[kModuleVersion]));
    const IsvLevel& latest_module = identity->levels.front();
    // QVL does not ask this; a launch under it would gain nothing.
    if (latest_module.status != TcbStatus::kUpToDate) return rating.status;
    module_svn = latest_module.isv_svn;
  }
  if (now[kModuleSvn] < module_svn ||
      now[kSeamLoaderSvn] < latest.tdx[kSeamLoaderSvn]) {
    return rating.status;
  }
  return NeedsConfiguration(sgx) || NeedsConfiguration(rating.status)
             ? TcbStatus::kTdRelaunchAdvisedConfigurationNeeded
             : TcbStatus::kTdRelaunchAdvised;
}

void Sort(std::vector<std::string>& advisories) {
  std::sort(advisories.begin(), advisories.end());
  advisories.erase(std::unique(advisories.begin(), advisories.end()),
                   advisories.end());
}

template <typename Level>
void AddAdvisories(const Level& level, std::vector<std::string>& to) {
  to.insert(to.end(), level.advisories.begin(), level.advisories.end());
}

}  // namespace

absl::StatusOr<TcbRating> RateTcb(const UnverifiedQuote& quote,
                                  const PckExtension& pck,
                                  const TcbInfo& tcb_info,
                                  const QeIdentity& qe_identity) {
  const IsvLevel* qe =
      FindIsvLevel(qe_identity.levels, quote.qe_report.isv_svn);
  if (qe == nullptr) return BelowAll("the quoting enclave");
  const IsvLevel* module = nullptr;
  if (quote.td.has_value()) {
    KMS_ASSIGN_OR_RETURN(module, RateModule(*quote.td, tcb_info));
  }
  const MatchedLevels matched = MatchLevels(pck, quote, tcb_info);
  if (matched.all == nullptr) return BelowAll("the platform");

  TcbRating rating;
  rating.platform = matched.all->status;
  rating.qe = qe->status;
  rating.status = rating.platform;
  if (module != nullptr) {
    rating.module = module->status;
    rating.status = Merge(rating.status, module->status);
  }
  if (quote.td.has_value()) {
    KMS_ASSIGN_OR_RETURN(
        rating.status,
        AdviseRelaunch(*quote.td, tcb_info, rating, matched.sgx->status));
  }
  rating.status = Merge(rating.status, qe->status);
  // QVL passes over the SGX side's own level in a TD's rating; nothing below a
  // revoked level is any better.
  if (matched.sgx->status == TcbStatus::kRevoked)
    return Revoked("the platform");
  if (rating.status == TcbStatus::kRevoked) {
    return Revoked(rating.platform == TcbStatus::kRevoked ? "the platform"
                   : rating.qe == TcbStatus::kRevoked ? "the quoting enclave"
                                                      : "the TDX module");
  }
  rating.platform_date = matched.all->date;
  AddAdvisories(*matched.all, rating.platform_advisories);
  rating.advisories = rating.platform_advisories;
  AddAdvisories(*qe, rating.advisories);
  if (module != nullptr) AddAdvisories(*module, rating.advisories);
  Sort(rating.platform_advisories);
  Sort(rating.advisories);
  return rating;
}

}  // namespace kms::dcap
