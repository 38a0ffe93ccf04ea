// The files of one piece of Evidence, by role.
// Thread-safe: free functions.
#ifndef POLICY_VERIFIER_EVIDENCE_FILES_H_
#define POLICY_VERIFIER_EVIDENCE_FILES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// The content of the first file of `role`, or null. verifier.h has refused a
// second one, for roles that occur once.
const std::string* FindFile(const v1::Evidence& evidence,
                            absl::string_view role);

// EVIDENCE_MALFORMED "<subject>: no file of role <role>" if there is none.
absl::StatusOr<BytesView> RequireFile(const v1::Evidence& evidence,
                                      absl::string_view subject,
                                      absl::string_view role);

// EVIDENCE_MALFORMED if a file has a role that is not in `roles`: what a
// verifier does not read, an auditor must not believe that it read.
absl::Status CheckRoles(const v1::Evidence& evidence, absl::string_view subject,
                        absl::Span<const absl::string_view> roles);

// REQUEST_TOO_LARGE if all files together have over `bytes_max` bytes: what a
// sender adds, we hash, parse and keep before we know who he is.
absl::Status CheckSize(const v1::Evidence& evidence, absl::string_view subject,
                       size_t bytes_max);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_EVIDENCE_FILES_H_
