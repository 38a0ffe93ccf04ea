#include "tools/kmsctl/text_diff.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kms::kmsctl {
namespace {

constexpr size_t kContextLines = 3;

// Cells of the table of common lengths: 16 MiB.
constexpr size_t kCellsMax = size_t{4} << 20;

struct Line {
  char mark;  // ' ', '-' or '+'.
  absl::string_view text;
};

std::vector<absl::string_view> Lines(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

// Lines [begin, end) of `from` and `to` that differ at both ends.
void DiffMiddle(const std::vector<absl::string_view>& from,
                const std::vector<absl::string_view>& to, size_t begin,
                size_t from_end, size_t to_end, std::vector<Line>& out) {
  const size_t rows = from_end - begin;
  const size_t columns = to_end - begin;
  const bool small = rows == 0 || columns <= kCellsMax / (rows + 1) - 1;
  // common[i][j]: the longest common subsequence of what follows i and j.
  const size_t width = columns + 1;
  std::vector<uint32_t> common(small ? (rows + 1) * width : 0);
  if (small) {
    for (size_t i = rows; i-- > 0;) {
      for (size_t j = columns; j-- > 0;) {
        common[i * width + j] = from[begin + i] == to[begin + j]
                                    ? common[(i + 1) * width + j + 1] + 1
                                    : std::max(common[(i + 1) * width + j],
                                               common[i * width + j + 1]);
      }
    }
  }
  size_t i = 0;
  size_t j = 0;
  while (i < rows || j < columns) {
    const bool both = i < rows && j < columns && small;
    if (both && from[begin + i] == to[begin + j]) {
      out.push_back({' ', from[begin + i]});
      ++i, ++j;
    } else if (i < rows && (!both || common[(i + 1) * width + j] >=
                                         common[i * width + j + 1])) {
      out.push_back({'-', from[begin + i++]});
    } else {
      out.push_back({'+', to[begin + j++]});
    }
  }
}

std::vector<Line> AllLines(const std::vector<absl::string_view>& from,
                           const std::vector<absl::string_view>& to) {
  size_t begin = 0;
  size_t from_end = from.size();
  size_t to_end = to.size();
  const size_t least = std::min(from_end, to_end);
  while (begin < least && from[begin] == to[begin]) ++begin;
  while (from_end > begin && to_end > begin &&
         from[from_end - 1] == to[to_end - 1]) {
    --from_end, --to_end;
  }
  std::vector<Line> lines;
  for (size_t i = 0; i < begin; ++i) lines.push_back({' ', from[i]});
  DiffMiddle(from, to, begin, from_end, to_end, lines);
  for (size_t i = from_end; i < from.size(); ++i) {
    lines.push_back({' ', from[i]});
  }
  return lines;
}

// "12,7": a hunk's first line, from 1, and how many. Of none, the line before.
std::string Range(size_t first, size_t count) {
  return absl::StrCat(count == 0 ? first : first + 1, ",", count);
}

}  // namespace

std::string UnifiedDiff(absl::string_view from_name, absl::string_view from,
                        absl::string_view to_name, absl::string_view to) {
  if (from == to) return "";
  const std::vector<Line> lines = AllLines(Lines(from), Lines(to));
  std::string out = absl::StrCat("--- ", from_name, "\n+++ ", to_name, "\n");
  size_t from_line = 0;
  size_t to_line = 0;
  for (size_t i = 0; i < lines.size();) {
    if (lines[i].mark == ' ') {
      // Context belongs to the hunk that it leads to.
      size_t change = i;
      while (change < lines.size() && lines[change].mark == ' ') ++change;
      if (change == lines.size()) break;
      const size_t skip = change - std::min(change - i, kContextLines) - i;
      i += skip, from_line += skip, to_line += skip;
    }
    // The hunk ends where more than twice the context is unchanged.
    size_t end = i;
    size_t unchanged = 0;
    for (size_t j = i; j < lines.size() && unchanged <= 2 * kContextLines;
         ++j) {
      unchanged = lines[j].mark == ' ' ? unchanged + 1 : 0;
      if (unchanged == 0) end = j + 1;
    }
    end = std::min(end + kContextLines, lines.size());
    std::string body;
    size_t removed = 0;
    size_t added = 0;
    for (; i < end; ++i) {
      absl::StrAppend(&body, std::string(1, lines[i].mark), lines[i].text,
                      "\n");
      removed += lines[i].mark != '+';
      added += lines[i].mark != '-';
    }
    absl::StrAppend(&out, "@@ -", Range(from_line, removed), " +",
                    Range(to_line, added), " @@\n", body);
    from_line += removed;
    to_line += added;
  }
  return out;
}

}  // namespace kms::kmsctl
