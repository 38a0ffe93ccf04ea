// A strict reading of one YAML document to a tree whose nodes know where they
// stand. Anchors, aliases, tags, repeated keys, keys that are not text and a
// second document are refused: each lets two readers see different policies.
// Source: YAML 1.2.2. The grammar itself is yaml-cpp's.
// Thread-safe: free functions. It knows nothing of policies.
#ifndef POLICY_DOCUMENT_YAML_H_
#define POLICY_DOCUMENT_YAML_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/cel/issue.h"

namespace kms::policy {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  uint32_t offset = 0;          // Bytes from the start of the document.
  std::string text;             // Of a scalar.
  std::vector<YamlNode> items;  // Of a list; of a map, its values.
  std::vector<YamlNode> keys;   // Of a map: scalars, as many as items.
};

// Nothing if `document` (any bytes) is refused; why is in `issue`.
std::optional<YamlNode> ParseYaml(absl::string_view document,
                                  cel::Issue& issue);

// The place in `document` of byte `at` of a scalar's text. Exact for plain,
// single-quoted and block scalars; in a double-quoted one, escapes may shift
// it.
uint32_t OffsetInScalar(absl::string_view document, const YamlNode& scalar,
                        uint32_t at);

}  // namespace kms::policy

#endif  // POLICY_DOCUMENT_YAML_H_
