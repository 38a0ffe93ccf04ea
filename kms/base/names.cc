#include "kms/base/names.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms {
namespace {

absl::Status CheckName(absl::string_view subject, absl::string_view name,
                       size_t size_max) {
  if (name.empty()) {
    return Refuse(v1::REQUEST_MALFORMED, absl::StrCat(subject, ": empty"));
  }
  if (name.size() > size_max) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat(subject, ": ", name.size(), " bytes, want at ",
                               "most ", size_max));
  }
  if (!HasNameSyntax(name)) {
    return Refuse(
        v1::REQUEST_MALFORMED,
        absl::StrCat(subject, ": want [a-z0-9._-], not first a dot or dash"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::string_view> ResolveNamespace(
    absl::string_view name_space) {
  if (name_space.empty()) return absl::string_view(kDefaultNamespace);
  KMS_RETURN_IF_ERROR(CheckName("namespace", name_space, kNamespaceSizeMax));
  return name_space;
}

absl::Status CheckKeyName(absl::string_view name) {
  return CheckName("key name", name, kKeyNameSizeMax);
}

absl::Status CheckPolicyName(absl::string_view name) {
  return CheckName("policy name", name, kPolicyNameSizeMax);
}

absl::Status CheckAnchorName(absl::string_view name) {
  return CheckName("anchor name", name, kAnchorNameSizeMax);
}

}  // namespace kms
