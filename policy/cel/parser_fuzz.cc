// Any bytes parse or are refused with a position inside the text; in a tree,
// children stand before their parents and spans lie inside the source.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/cel/limits.h"
#include "policy/cel/parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  kms::cel::Issue issue;
  kms::cel::ParseOptions options;
  options.block_macros = true;
  const auto ast = kms::cel::Parse(source, options, issue);
  if (ast.has_value() == issue.raised()) std::abort();
  if (issue.raised() && issue.offset() > size) std::abort();
  if (!ast.has_value()) return 0;
  for (kms::cel::ExprId id = 0; id < ast->nodes.size(); ++id) {
    const auto& expr = ast->nodes[id];
    if (expr.span.begin > expr.span.end || expr.span.end > size) std::abort();
    if (expr.height > kms::cel::kHeightMax) std::abort();
    for (const auto arg : expr.args) {
      if (arg >= id) std::abort();
    }
  }
  return 0;
}
