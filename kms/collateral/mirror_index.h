// The index of a mirror: which of its files make which collateral.
//
//   {"collateral": [{"kind": "crl", "files": ["amd/ark.crl", "amd/ark.pem"]},
//                   {"kind": "tcb-info", "files": ["tdx/1.json",
//                   "tdx/c.pem"]}]}
//
// Thread-safe: free functions.
#ifndef KMS_COLLATERAL_MIRROR_INDEX_H_
#define KMS_COLLATERAL_MIRROR_INDEX_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "policy/collateral/verify.h"

namespace kms::collateral {

inline constexpr absl::string_view kMirrorIndexPath = "collateral.json";
inline constexpr size_t kMirrorIndexBytesMax = size_t{256} * 1024;
inline constexpr size_t kMirrorEntriesMax = 1024;
inline constexpr size_t kMirrorPathBytesMax = 256;

struct MirrorEntry {
  policy::CollateralKind kind;
  std::vector<std::string> files;  // At least one.

  friend bool operator==(const MirrorEntry&, const MirrorEntry&) = default;
};

// Relative, of [A-Za-z0-9._-] between slashes, and no part that begins with a
// dot: it stays in the folder, and no server reads it as anything else.
bool ValidMirrorPath(absl::string_view path);

// kInvalidArgument: not such an index, or over a bound.
absl::StatusOr<std::vector<MirrorEntry>> ParseMirrorIndex(
    absl::string_view json);

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_MIRROR_INDEX_H_
