// The names that administrators give: of namespaces, keys, policies and trust
// anchors. One spelling each: [a-z0-9._-], not beginning with a dot or a dash.
// A name is compared byte for byte and never folded, trimmed or normalized;
// what would need that is refused (threats.md, section 2, "policy-name case
// folding" and its kin).
// Thread-safe: free functions.
#ifndef KMS_BASE_NAMES_H_
#define KMS_BASE_NAMES_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/name_syntax.h"

namespace kms {

// Bytes, as those in name_syntax.h. A row key or a leaf holds any of them.
inline constexpr size_t kPolicyNameSizeMax = 64;
inline constexpr size_t kAnchorNameSizeMax = 64;

// What an empty namespace in a request means.
inline constexpr char kDefaultNamespace[] = "default";

// The namespace that a request means; a view of it, or of kDefaultNamespace.
// REQUEST_MALFORMED: not a name. REQUEST_TOO_LARGE: over kNamespaceSizeMax.
absl::StatusOr<absl::string_view> ResolveNamespace(
    absl::string_view name_space);

// REQUEST_MALFORMED: empty, or not a name. REQUEST_TOO_LARGE: too long.
absl::Status CheckKeyName(absl::string_view name);
absl::Status CheckPolicyName(absl::string_view name);
absl::Status CheckAnchorName(absl::string_view name);

}  // namespace kms

#endif  // KMS_BASE_NAMES_H_
