#include "policy/document/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "policy/cel/utf8.h"
#include "policy/document/limits.h"

namespace kms::policy {
namespace {

// Thrown through yaml-cpp to end its parsing; caught in ParseYaml.
struct Refused {};

uint32_t OffsetOf(const YAML::Mark& mark) {
  return static_cast<uint32_t>(std::max(mark.pos, 0));
}

// Builds the tree. A container under construction lives on stack_; when it
// ends it moves into the one below.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(cel::Issue& issue) : issue_(issue) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node = Make(YamlNode::Kind::kNull, mark, "", anchor);
    // yaml-cpp's mark is where the next thing begins; the key says more.
    if (!stack_.empty() && !stack_.back().keys.empty() && !WantsKey()) {
      node.offset = stack_.back().keys.back().offset;
    }
    Place(std::move(node));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(OffsetOf(mark), "aliases are not allowed");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& value) override {
    YamlNode node = Make(YamlNode::Kind::kScalar, mark, tag, anchor);
    node.text = value;
    Place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Push(Make(YamlNode::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { Pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Push(Make(YamlNode::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { Pop(); }

 private:
  [[noreturn]] void Refuse(uint32_t offset, std::string text) {
    issue_.Raise(offset, std::move(text));
    throw Refused();
  }

  YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark,
                const std::string& tag, YAML::anchor_t anchor) {
    const uint32_t offset = OffsetOf(mark);
    if (anchor != 0) Refuse(offset, "anchors (&name) are not allowed");
    // yaml-cpp's "?" is a plain node without a tag, "!" a quoted one.
    if (!tag.empty() && tag != "?" && tag != "!") {
      Refuse(offset,
             "tags (!name) are not allowed; put text that begins with ! "
             "in quotes");
    }
    if (++nodes_ > kYamlNodesMax) {
      Refuse(offset, absl::StrCat("more than ", kYamlNodesMax, " values"));
    }
    YamlNode node;
    node.kind = kind;
    node.offset = offset;
    return node;
  }

  void Push(YamlNode node) {
    if (stack_.size() >= kYamlDepthMax) {
      Refuse(node.offset, "document is nested too deeply");
    }
    if (WantsKey()) Refuse(node.offset, "key is not text");
    stack_.push_back(std::move(node));
  }

  void Pop() {
    YamlNode node = std::move(stack_.back());
    stack_.pop_back();
    Place(std::move(node));
  }

  bool WantsKey() const {
    return !stack_.empty() && stack_.back().kind == YamlNode::Kind::kMap &&
           stack_.back().keys.size() == stack_.back().items.size();
  }

  void Place(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    YamlNode& parent = stack_.back();
    if (!WantsKey()) {
      parent.items.push_back(std::move(node));
      return;
    }
    if (node.kind != YamlNode::Kind::kScalar) {
      Refuse(node.offset, "key is not text");
    }
    for (const YamlNode& key : parent.keys) {
      if (key.text == node.text) Refuse(node.offset, "key is repeated");
    }
    parent.keys.push_back(std::move(node));
  }

  cel::Issue& issue_;
  std::vector<YamlNode> stack_;
  YamlNode root_;
  size_t nodes_ = 0;
};

// yaml-cpp reads UTF-16 and -32 and replaces what is ill-formed; positions
// would then not be those of the document. Control characters hide text from
// a person who reads it.
bool IsPlainText(absl::string_view document, cel::Issue& issue) {
  if (!cel::IsValidUtf8(document)) {
    return issue.Raise(0, "document is not valid UTF-8");
  }
  for (size_t i = 0; i < document.size(); ++i) {
    const auto c = static_cast<uint8_t>(document[i]);
    const bool space = c == '\n' || c == '\r' || c == '\t';
    if ((c < 0x20 && !space) || c == 0x7f ||
        document.substr(i, 3) == "\xef\xbb\xbf") {
      return issue.Raise(static_cast<uint32_t>(i),
                         "control character or byte order mark");
    }
  }
  return true;
}

}  // namespace

std::optional<YamlNode> ParseYaml(absl::string_view document,
                                  cel::Issue& issue) {
  if (document.size() > kDocumentBytesMax) {
    issue.Raise(0, absl::StrCat("document: ", document.size(),
                                " bytes, want at most ", kDocumentBytesMax));
    return std::nullopt;
  }
  if (!IsPlainText(document, issue)) return std::nullopt;
  const auto clamp = [&](uint32_t offset) {
    return std::min(offset, static_cast<uint32_t>(document.size()));
  };
  try {
    std::istringstream stream{std::string(document)};
    YAML::Parser parser(stream);
    Builder builder(issue);
    if (!parser.HandleNextDocument(builder)) {
      issue.Raise(0, "document is empty");
      return std::nullopt;
    }
    YamlNode root = builder.Take();
    Builder second(issue);
    if (parser.HandleNextDocument(second)) {
      issue.Raise(clamp(second.Take().offset), "more than one document");
      return std::nullopt;
    }
    return root;
  } catch (const Refused&) {
  } catch (const YAML::Exception& e) {
    // Its message is one of yaml-cpp's own constant texts, or quotes a name.
    issue.Raise(clamp(OffsetOf(e.mark)), "not valid YAML");
  } catch (const std::exception&) {
    issue.Raise(0, "not valid YAML");
  }
  return std::nullopt;
}

uint32_t OffsetInScalar(absl::string_view document, const YamlNode& scalar,
                        uint32_t at) {
  size_t raw = scalar.offset;
  // The header of a block scalar ("|", ">-") is a line of its own.
  if (raw < document.size() && (document[raw] == '|' || document[raw] == '>')) {
    raw = std::min(document.find('\n', raw), document.size());
  }
  // Quotes, indentation and line breaks apart, the text stands in the document
  // in order: walk both, from visible character to visible character.
  for (size_t i = 0; i < scalar.text.size(); ++i) {
    const char c = scalar.text[i];
    const auto visible = static_cast<unsigned char>(c);
    if (absl::ascii_isspace(visible)) continue;
    const size_t next = document.find(c, raw);
    if (next == absl::string_view::npos) break;
    if (i >= at) return static_cast<uint32_t>(next);
    raw = next + 1;
  }
  return static_cast<uint32_t>(std::min(raw, document.size()));
}

}  // namespace kms::policy
