// Any bytes compile or are refused as POLICY_INVALID. A policy that compiles
// keeps its promises: at least one requirement and one rule, and empty Claims
// are denied by it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/refusal.h"
#include "policy/document/appraise.h"
#include "policy/document/policy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto policy = kms::policy::Compile(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!policy.ok()) {
    if (kms::RefusalOf(policy.status()) != kms::v1::POLICY_INVALID) {
      std::abort();
    }
    return 0;
  }
  if (policy->evidence().empty() || policy->rules().empty()) std::abort();
  if (policy->terms().lease_seconds <= 0) std::abort();
  const kms::v1::Decision decision = kms::policy::Appraise(
      *policy, kms::v1::Claims(), kms::v1::RequestContext(), absl::UnixEpoch());
  if (decision.allowed()) std::abort();
  if (decision.code() == kms::v1::REFUSAL_CODE_UNSPECIFIED) std::abort();
  return 0;
}
