// What is wrong with a source text, and where. An Issue keeps the first fault
// it is told of: later ones are usually its consequences.
// Thread-compatible.
#ifndef POLICY_CEL_ISSUE_H_
#define POLICY_CEL_ISSUE_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace kms::cel {

// Bytes [begin, end) of a source text.
struct SourceSpan {
  uint32_t begin = 0;
  uint32_t end = 0;
};

class Issue {
 public:
  // Always false, so that a caller can `return issue.Raise(...)`.
  bool Raise(uint32_t offset, std::string text) {
    if (!raised_) offset_ = offset, text_ = std::move(text);
    raised_ = true;
    return false;
  }
  bool raised() const { return raised_; }
  uint32_t offset() const { return offset_; }  // Bytes from the start.
  const std::string& text() const { return text_; }

 private:
  bool raised_ = false;
  uint32_t offset_ = 0;
  std::string text_;
};

// Both from 1; a column counts code points.
struct LineColumn {
  uint32_t line = 1;
  uint32_t column = 1;
};
LineColumn LineColumnOf(absl::string_view source, size_t offset);

// "line 2, column 7: `text`".
std::string Describe(absl::string_view source, size_t offset,
                     absl::string_view text);

// "; did you mean 'measurement'?" for the candidate nearest to `name`, or ""
// if none is near.
std::string Suggest(absl::string_view name,
                    absl::Span<const std::string> candidates);

}  // namespace kms::cel

#endif  // POLICY_CEL_ISSUE_H_
