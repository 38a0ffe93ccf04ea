#include "policy/dcap/tcb_status.h"

namespace kms::dcap {
namespace {

struct StatusName {
  TcbStatus status;
  absl::string_view name;
};
constexpr StatusName kNames[] = {
    {TcbStatus::kUpToDate, "UpToDate"},
    {TcbStatus::kSwHardeningNeeded, "SWHardeningNeeded"},
    {TcbStatus::kConfigurationNeeded, "ConfigurationNeeded"},
    {TcbStatus::kConfigurationAndSwHardeningNeeded,
     "ConfigurationAndSWHardeningNeeded"},
    {TcbStatus::kTdRelaunchAdvised, "TDRelaunchAdvised"},
    {TcbStatus::kTdRelaunchAdvisedConfigurationNeeded,
     "TDRelaunchAdvisedConfigurationNeeded"},
    {TcbStatus::kOutOfDate, "OutOfDate"},
    {TcbStatus::kOutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    {TcbStatus::kRevoked, "Revoked"},
};

// QVL derives these; Intel does not publish them.
bool Derived(TcbStatus status) {
  return status == TcbStatus::kTdRelaunchAdvised ||
         status == TcbStatus::kTdRelaunchAdvisedConfigurationNeeded;
}

}  // namespace

absl::string_view TcbStatusName(TcbStatus status) {
  for (const StatusName& known : kNames) {
    if (known.status == status) return known.name;
  }
  return "";
}

std::optional<TcbStatus> ParseTcbStatus(absl::string_view name) {
  for (const StatusName& known : kNames) {
    if (known.name == name && !Derived(known.status)) return known.status;
  }
  return std::nullopt;
}

TcbStatus Merge(TcbStatus platform, TcbStatus part) {
  if (platform == TcbStatus::kRevoked || part == TcbStatus::kRevoked) {
    return TcbStatus::kRevoked;
  }
  if (part == TcbStatus::kUpToDate) return platform;
  return NeedsConfiguration(platform) ? TcbStatus::kOutOfDateConfigurationNeeded
                                      : TcbStatus::kOutOfDate;
}

bool NeedsConfiguration(TcbStatus status) {
  return status == TcbStatus::kConfigurationNeeded ||
         status == TcbStatus::kConfigurationAndSwHardeningNeeded ||
         status == TcbStatus::kTdRelaunchAdvisedConfigurationNeeded ||
         status == TcbStatus::kOutOfDateConfigurationNeeded;
}

}  // namespace kms::dcap
