// Files of every kind as an administrator, a third party or a mirror hands them
// in. Property: no crash, and nothing verifies, because the only trusted root
// signed none of what a fuzzer can make. A zero byte ends a file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "policy/collateral/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::policy::AnchorUse;
  using kms::policy::TrustAnchor;
  using kms::policy::TrustAnchors;
  static const auto* const anchors = [] {
    std::vector<TrustAnchor> nobody;
    for (int type = 1; type < kms::v1::EvidenceType_ARRAYSIZE; ++type) {
      TrustAnchor anchor;
      anchor.name = "nobody";
      anchor.type = static_cast<kms::v1::EvidenceType>(type);
      anchor.spki_sha256 = std::string(32, '\0');
      nobody.push_back(anchor);
      anchor.name = "nobody-else";
      anchor.use = AnchorUse::kReferenceValues;
      nobody.push_back(std::move(anchor));
    }
    return new TrustAnchors(*TrustAnchors::Create(std::move(nobody)));
  }();
  const std::vector<std::string> files =
      absl::StrSplit(kms::AsStringView({data, size}), '\0');
  for (const absl::string_view name : kms::policy::CollateralKindNames()) {
    const auto verified = kms::policy::VerifyCollateral(
        *kms::policy::CollateralKindNamed(name), files,
        {.now = absl::FromUnixSeconds(1800000000), .anchors = *anchors});
    if (verified.ok()) std::abort();
  }
  return 0;
}
