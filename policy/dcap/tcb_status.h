// How Intel rates a TCB level, and how ratings of parts make one.
// Sources: Intel PCS API v4, "tcbStatus"; Intel's quote verification library
// (QVL), TcbLevelCheck, TdxModuleCheck and TDRelaunchCheck, which are the only
// statement of how ratings merge.
// Thread-safe: free functions over values.
#ifndef POLICY_DCAP_TCB_STATUS_H_
#define POLICY_DCAP_TCB_STATUS_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace kms::dcap {

enum class TcbStatus {
  kUpToDate,
  kSwHardeningNeeded,
  kConfigurationNeeded,
  kConfigurationAndSwHardeningNeeded,
  // The platform is up to date, and the TD was launched before it was.
  kTdRelaunchAdvised,
  kTdRelaunchAdvisedConfigurationNeeded,
  kOutOfDate,
  kOutOfDateConfigurationNeeded,
  kRevoked,
};

// Intel's word: "UpToDate", "SWHardeningNeeded".
absl::string_view TcbStatusName(TcbStatus status);

// The inverse for what collateral may state, which is all but the two
// TDRelaunchAdvised; nothing for another word.
std::optional<TcbStatus> ParseTcbStatus(absl::string_view name);

// `platform` as it becomes with a quoting enclave or a TDX module rated `part`:
// Revoked if `part` is; made out of date by a part that is, its need for
// configuration kept; else as it was. Intel rates these parts UpToDate,
// OutOfDate or Revoked; a part rated otherwise counts as out of date.
TcbStatus Merge(TcbStatus platform, TcbStatus part);

bool NeedsConfiguration(TcbStatus status);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_TCB_STATUS_H_
