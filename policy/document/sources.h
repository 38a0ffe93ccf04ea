// Where the values in a part of a rule came from: each path that it reads of
// the Claims, the request or the Reference Values, with its value and the piece
// of Evidence that states it. For the trace of a rule that did not hold.
// Thread-safe: a free function. It evaluates nothing: what a macro's variable
// or an index stands for is not followed further than the path is plain.
#ifndef POLICY_DOCUMENT_SOURCES_H_
#define POLICY_DOCUMENT_SOURCES_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"

namespace kms::policy {

inline constexpr size_t kSourcesMax = 16;

// `expression`: text of a rule that compiled, or of a part of one. In the order
// of their first mention, each once, at most kSourcesMax.
std::vector<v1::ValueSource> SourcesOf(absl::string_view expression,
                                       const v1::Claims& claims,
                                       const v1::RequestContext& request);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_SOURCES_H_
