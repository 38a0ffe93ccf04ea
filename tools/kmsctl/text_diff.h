// What changed between two texts, line by line, as people read it: the unified
// format of POSIX diff -u, three lines of context.
// Thread-safe: a free function.
#ifndef TOOLS_KMSCTL_TEXT_DIFF_H_
#define TOOLS_KMSCTL_TEXT_DIFF_H_

#include <string>

#include "absl/strings/string_view.h"

namespace kms::kmsctl {

// "" if the texts are equal. Texts of very many changed lines are shown as
// replaced whole.
std::string UnifiedDiff(absl::string_view from_name, absl::string_view from,
                        absl::string_view to_name, absl::string_view to);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_TEXT_DIFF_H_
