#include "policy/verifier/evidence_files.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"

namespace kms::policy {

const std::string* FindFile(const v1::Evidence& evidence,
                            absl::string_view role) {
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (absl::string_view(file.role()) == role) return &file.content();
  }
  return nullptr;
}

absl::StatusOr<BytesView> RequireFile(const v1::Evidence& evidence,
                                      absl::string_view subject,
                                      absl::string_view role) {
  const std::string* content = FindFile(evidence, role);
  if (content == nullptr) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  absl::StrCat(subject, ": no file of role ", role));
  }
  return AsBytes(*content);
}

absl::Status CheckRoles(const v1::Evidence& evidence, absl::string_view subject,
                        absl::Span<const absl::string_view> roles) {
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (std::find(roles.begin(), roles.end(), absl::string_view(file.role())) ==
        roles.end()) {
      return Refuse(
          v1::EVIDENCE_MALFORMED,
          absl::StrCat(subject, ": a file in a role that it has no use for"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckSize(const v1::Evidence& evidence, absl::string_view subject,
                       size_t bytes_max) {
  size_t bytes = 0;
  for (const v1::EvidenceFile& file : evidence.files()) {
    bytes += file.content().size();
  }
  if (bytes <= bytes_max) return absl::OkStatus();
  return Refuse(
      v1::REQUEST_TOO_LARGE,
      absl::StrCat(subject, ": ", bytes, " bytes, want at most ", bytes_max));
}

}  // namespace kms::policy
