#include "policy/collateral/age.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"

namespace kms::policy {
namespace {

constexpr absl::string_view kCrl = "crl";

// crl, pck_crl, root_ca_crl.
bool IsCrl(absl::string_view role) { return absl::EndsWith(role, kCrl); }

}  // namespace

std::optional<absl::Duration> MaxAgeOf(const CollateralMaxAges& max_ages,
                                       absl::string_view role) {
  const auto found = max_ages.find(std::string(IsCrl(role) ? kCrl : role));
  if (found == max_ages.end()) return std::nullopt;
  return found->second;
}

absl::Status CheckAges(const v1::Claims& claims,
                       const CollateralMaxAges& max_ages, absl::Time now) {
  for (const v1::CollateralClaims& used : claims.collateral()) {
    const std::optional<absl::Duration> max_age =
        MaxAgeOf(max_ages, used.kind());
    if (!max_age.has_value()) continue;
    if (used.issued_us() != 0 &&
        now - absl::FromUnixMicros(used.issued_us()) <= *max_age) {
      continue;
    }
    return Refuse(IsCrl(used.kind()) ? v1::CRL_EXPIRED : v1::COLLATERAL_EXPIRED,
                  absl::StrCat("collateral: a ", used.kind(), " issued over ",
                               absl::FormatDuration(*max_age),
                               " ago, which this instance does not accept"));
  }
  return absl::OkStatus();
}

}  // namespace kms::policy
