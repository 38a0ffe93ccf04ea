#include "policy/nvidia/xml_document.h"

#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <xmlsec/crypto.h>
#include <xmlsec/errors.h>
#include <xmlsec/io.h>
#include <xmlsec/xmlsec.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/nvidia/limits.h"

namespace kms::nvidia {
namespace {

constexpr int kXmlDepthMax = 16;  // Real manifests nest to six.

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat("rim: ", fault));
}

absl::string_view View(const xmlChar* text) {
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}

// Messages would repeat the sender's bytes.
void DropXmlError(void*, xmlErrorPtr) {}
void DropXmlsecError(const char*, int, const char*, const char*, const char*,
                     int, const char*) {}

size_t CountOf(absl::string_view text, absl::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != absl::string_view::npos;
       at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

xmlParserInputPtr LoadNothing(const char*, const char*, xmlParserCtxtPtr) {
  return nullptr;
}

// "<!" opens all that is refused, and can stand nowhere else in a well-formed
// document but inside comments, CDATA and processing instructions.
absl::Status CheckCharacters(absl::string_view file) {
  if (file.empty() || file.size() > kRimBytesMax) {
    return Malformed(
        absl::StrCat(file.size(), " bytes, want 1 to ", kRimBytesMax));
  }
  if (file[0] != '<' || absl::StrContains(file, '\0')) {
    return Malformed("not XML in UTF-8");
  }
  if (absl::StrContains(file, "<!")) {
    return Malformed("a document type, a comment or CDATA");
  }
  const bool declared = absl::StartsWith(file, "<?xml ");
  if (absl::StrContains(file.substr(declared ? 1 : 0), "<?")) {
    return Malformed("a processing instruction");
  }
  // Every element has one or two tags, every attribute a sign of equality;
  // names are spelled out, for only values may have references to characters.
  if (CountOf(file, "<") > 2 * kRimElementsMax) {
    return Malformed("too many elements");
  }
  if (CountOf(file, "=") > kRimAttributesMax ||
      CountOf(file, "xmlns") > kRimNamespacesMax) {
    return Malformed("too many attributes or namespaces");
  }
  return absl::OkStatus();
}

int Depth(const xmlNode* node) {
  int depth = 0;
  for (; node != nullptr; node = node->parent) ++depth;
  return depth;
}

// Elements and text only, not too deep.
bool IsPlain(const xmlNode* root) {
  const xmlNode* node = root;
  while (node != nullptr) {
    if (node->type != XML_ELEMENT_NODE && node->type != XML_TEXT_NODE) {
      return false;
    }
    if (Depth(node) > kXmlDepthMax) return false;
    if (node->children != nullptr) {
      node = node->children;
      continue;
    }
    while (node != root && node->next == nullptr) node = node->parent;
    if (node == root) break;
    node = node->next;
  }
  return true;
}

struct ParserDeleter {
  void operator()(xmlParserCtxt* parser) const { xmlFreeParserCtxt(parser); }
};

}  // namespace

void InitXml() {
  static const bool initialized = [] {
    xmlInitParser();
    xmlSetExternalEntityLoader(LoadNothing);
    const bool ok = xmlSecInit() >= 0 && xmlSecCryptoAppInit(nullptr) >= 0 &&
                    xmlSecCryptoInit() >= 0;
    xmlSecIOCleanupCallbacks();
    xmlSecErrorsSetCallback(DropXmlsecError);
    return ok;
  }();
  // False only if the library was built for another one than is installed:
  // then nothing verifies.
  static_cast<void>(initialized);
  xmlSetStructuredErrorFunc(nullptr, DropXmlError);  // This thread's.
}

absl::StatusOr<XmlDocument> ParseXml(BytesView file) {
  KMS_RETURN_IF_ERROR(CheckCharacters(AsStringView(file)));
  InitXml();
  const std::unique_ptr<xmlParserCtxt, ParserDeleter> parser(
      xmlNewParserCtxt());
  if (parser == nullptr) return Malformed("no memory for a parser");
  XmlDocument document(
      xmlCtxtReadMemory(parser.get(), AsStringView(file).data(),
                        static_cast<int>(file.size()), nullptr, "UTF-8",
                        XML_PARSE_NONET | XML_PARSE_NOERROR |
                            XML_PARSE_NOWARNING | XML_PARSE_IGNORE_ENC));
  if (document == nullptr || parser->wellFormed != 1 ||
      parser->nsWellFormed != 1) {
    return Malformed("not well-formed XML");
  }
  const xmlNode* root = xmlDocGetRootElement(document.get());
  if (root == nullptr || document->intSubset != nullptr ||
      document->extSubset != nullptr || document->children != root ||
      root->next != nullptr || !IsPlain(root)) {
    return Malformed("something other than elements and text, or too deep");
  }
  return document;
}

bool IsElement(const xmlNode* node, absl::string_view name,
               absl::string_view uri) {
  return node != nullptr && node->type == XML_ELEMENT_NODE &&
         View(node->name) == name && node->ns != nullptr &&
         View(node->ns->href) == uri;
}

std::vector<xmlNode*> ChildElements(const xmlNode* node) {
  std::vector<xmlNode*> elements;
  for (xmlNode* child = node->children; child != nullptr; child = child->next) {
    if (child->type == XML_ELEMENT_NODE) elements.push_back(child);
  }
  return elements;
}

std::unique_ptr<std::string> Attribute(const xmlNode* node,
                                       absl::string_view name,
                                       absl::string_view uri) {
  for (const xmlAttr* attribute = node->properties; attribute != nullptr;
       attribute = attribute->next) {
    const absl::string_view have =
        attribute->ns == nullptr ? "" : View(attribute->ns->href);
    if (View(attribute->name) != name || have != uri) continue;
    auto value = std::make_unique<std::string>();
    for (const xmlNode* part = attribute->children; part != nullptr;
         part = part->next) {
      absl::StrAppend(value.get(), View(part->content));
    }
    return value;
  }
  return nullptr;
}

size_t AttributeCount(const xmlNode* node) {
  size_t count = 0;
  for (const xmlAttr* attribute = node->properties; attribute != nullptr;
       attribute = attribute->next) {
    ++count;
  }
  return count;
}

size_t AttributeCount(const xmlNode* node, absl::string_view uri) {
  size_t count = 0;
  for (const xmlAttr* attribute = node->properties; attribute != nullptr;
       attribute = attribute->next) {
    if (attribute->ns != nullptr && View(attribute->ns->href) == uri) ++count;
  }
  return count;
}

std::string Text(const xmlNode* node) {
  std::string text;
  for (const xmlNode* child = node->children; child != nullptr;
       child = child->next) {
    if (child->type == XML_TEXT_NODE) {
      absl::StrAppend(&text, View(child->content));
    }
  }
  return text;
}

}  // namespace kms::nvidia
