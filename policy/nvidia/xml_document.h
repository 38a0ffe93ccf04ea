// A small XML document from an untrusted sender, as libxml2's tree.
// Source: W3C XML 1.0 (fifth edition), Namespaces in XML 1.0.
//
// What a signed data record does not need is refused before the parser sees
// it: document types and so entities, comments, CDATA sections, processing
// instructions, other encodings than UTF-8. Nothing is ever fetched.
// Thread-safe: free functions; one document belongs to one thread.
#ifndef POLICY_NVIDIA_XML_DOCUMENT_H_
#define POLICY_NVIDIA_XML_DOCUMENT_H_

#include <libxml/tree.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::nvidia {

struct XmlDocumentDeleter {
  void operator()(xmlDoc* document) const { xmlFreeDoc(document); }
};
using XmlDocument = std::unique_ptr<xmlDoc, XmlDocumentDeleter>;

// Prepares libxml2 and xmlsec for this process, once: no loader of external
// entities, no way to open a URI, no messages.
void InitXml();

// ENDORSEMENT_MALFORMED: over a bound of limits.h or the depth of kXmlDepthMax,
// not well-formed, or with something of the above.
absl::StatusOr<XmlDocument> ParseXml(BytesView file);

// True if `node` is the element `name` of the namespace `uri`.
bool IsElement(const xmlNode* node, absl::string_view name,
               absl::string_view uri);

std::vector<xmlNode*> ChildElements(const xmlNode* node);

// The value of an attribute; null if there is none. `uri`: its namespace,
// empty for none.
std::unique_ptr<std::string> Attribute(const xmlNode* node,
                                       absl::string_view name,
                                       absl::string_view uri = "");

// How many attributes an element has; of the namespace `uri` only, if given.
size_t AttributeCount(const xmlNode* node);
size_t AttributeCount(const xmlNode* node, absl::string_view uri);

// All text inside an element.
std::string Text(const xmlNode* node);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_XML_DOCUMENT_H_
