#include "policy/cel/issue.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

// Longer names are not compared: the distance takes quadratic time.
constexpr size_t kComparedBytesMax = 64;

// Levenshtein distance: insertions, removals and replacements of one byte.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replace = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

LineColumn LineColumnOf(absl::string_view source, size_t offset) {
  const absl::string_view before = source.substr(0, offset);
  LineColumn at;
  at.line +=
      static_cast<uint32_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t newline = before.rfind('\n');
  const size_t start = newline == absl::string_view::npos ? 0 : newline + 1;
  at.column += static_cast<uint32_t>(CountRunes(before.substr(start)));
  return at;
}

std::string Describe(absl::string_view source, size_t offset,
                     absl::string_view text) {
  const LineColumn at = LineColumnOf(source, offset);
  return absl::StrCat("line ", at.line, ", column ", at.column, ": ", text);
}

std::string Suggest(absl::string_view name,
                    absl::Span<const std::string> candidates) {
  if (name.size() > kComparedBytesMax) return "";
  // A third of the letters may be wrong; beyond that a guess misleads.
  size_t best = std::max<size_t>(1, name.size() / 3) + 1;
  absl::string_view nearest;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kComparedBytesMax) continue;
    const size_t distance = Distance(name, candidate);
    if (distance < best) best = distance, nearest = candidate;
  }
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean '", nearest, "'?");
}

}  // namespace kms::cel
