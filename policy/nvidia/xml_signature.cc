#include "policy/nvidia/xml_signature.h"

#include <xmlsec/crypto.h>
#include <xmlsec/keys.h>
#include <xmlsec/transforms.h>
#include <xmlsec/xmldsig.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/base64_strict.h"
#include "kms/crypto/x509/limits.h"
#include "policy/nvidia/xml_document.h"

namespace kms::nvidia {
namespace {

constexpr char kC14n11[] = "http://www.w3.org/2006/12/xml-c14n11";
constexpr char kEnveloped[] =
    "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
constexpr char kEcdsaSha384[] =
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
constexpr char kSha384[] = "http://www.w3.org/2001/04/xmldsig-more#sha384";

constexpr size_t kSignatureValueBytes = 96;  // r and s of P-384.

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat("rim: ", fault));
}
absl::Status OtherForm() {
  return Malformed("a signature of another form than NVIDIA's");
}

// True if `node` is the element `name` of XML signatures with `attributes`
// attributes.
bool Is(const xmlNode* node, absl::string_view name, size_t attributes) {
  return IsElement(node, name, kDsigNamespace) &&
         AttributeCount(node) == attributes;
}

// The same with nothing but Algorithm="`uri`", and nothing inside.
bool IsAlgorithm(const xmlNode* node, absl::string_view name,
                 absl::string_view uri) {
  if (!Is(node, name, 1) || node->children != nullptr) return false;
  const std::unique_ptr<std::string> algorithm = Attribute(node, "Algorithm");
  return algorithm != nullptr && *algorithm == uri;
}

// The `count` child elements of `node`; nulls if it has another number.
std::vector<xmlNode*> Children(const xmlNode* node, size_t count) {
  std::vector<xmlNode*> children = ChildElements(node);
  if (children.size() != count) children.assign(count, nullptr);
  return children;
}

bool IsReference(const xmlNode* node) {
  if (!Is(node, "Reference", 1)) return false;
  const std::unique_ptr<std::string> uri = Attribute(node, "URI");
  if (uri == nullptr || !uri->empty()) return false;
  const std::vector<xmlNode*> parts = Children(node, 3);
  if (!Is(parts[0], "Transforms", 0) ||
      !IsAlgorithm(parts[1], "DigestMethod", kSha384) ||
      !Is(parts[2], "DigestValue", 0)) {
    return false;
  }
  const std::vector<xmlNode*> transforms = Children(parts[0], 2);
  return IsAlgorithm(transforms[0], "Transform", kEnveloped) &&
         IsAlgorithm(transforms[1], "Transform", kC14n11) &&
         ChildElements(parts[2]).empty();
}

bool IsSignedInfo(const xmlNode* node) {
  if (!Is(node, "SignedInfo", 0)) return false;
  const std::vector<xmlNode*> parts = Children(node, 3);
  return IsAlgorithm(parts[0], "CanonicalizationMethod", kC14n11) &&
         IsAlgorithm(parts[1], "SignatureMethod", kEcdsaSha384) &&
         IsReference(parts[2]);
}

// Base64 as it stands in a document, with white space in it.
std::optional<std::string> ReadBase64(const xmlNode* node) {
  return crypto::Base64DecodeStrict(absl::StrReplaceAll(
      Text(node), {{"\n", ""}, {"\r", ""}, {" ", ""}, {"\t", ""}}));
}

absl::StatusOr<std::vector<x509::Certificate>> ReadKeyInfo(
    const xmlNode* node) {
  if (!Is(node, "KeyInfo", 0)) return OtherForm();
  const std::vector<xmlNode*> data = Children(node, 1);
  if (!Is(data[0], "X509Data", 0)) return OtherForm();
  std::vector<x509::Certificate> certificates;
  for (const xmlNode* element : ChildElements(data[0])) {
    if (!Is(element, "X509Certificate", 0) ||
        certificates.size() == x509::kCertificatesPerFileMax) {
      return OtherForm();
    }
    const std::optional<std::string> der = ReadBase64(element);
    if (!der.has_value()) return Malformed("a certificate is not base64");
    KMS_ASSIGN_OR_RETURN(x509::Certificate certificate,
                         x509::Certificate::Parse(AsBytes(*der)));
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) return Malformed("no certificate of its signer");
  return certificates;
}

// Elements named Signature anywhere: a second one could be what a reader
// with other eyes takes for the real one.
size_t CountSignatures(const xmlNode* node) {
  size_t count = IsElement(node, "Signature", kDsigNamespace) ? 1 : 0;
  for (const xmlNode* child : ChildElements(node)) {
    count += CountSignatures(child);  // ParseXml bounds the depth.
  }
  return count;
}

struct DsigDeleter {
  void operator()(xmlSecDSigCtx* context) const {
    xmlSecDSigCtxDestroy(context);
  }
};

}  // namespace

absl::StatusOr<XmlSignature> FindXmlSignature(xmlDoc* document) {
  const xmlNode* root = xmlDocGetRootElement(document);
  if (CountSignatures(root) != 1) return Malformed("not exactly one signature");
  XmlSignature signature;
  for (xmlNode* child : ChildElements(root)) {
    if (IsElement(child, "Signature", kDsigNamespace)) signature.node = child;
  }
  if (signature.node == nullptr || !Is(signature.node, "Signature", 0)) {
    return OtherForm();
  }
  const std::vector<xmlNode*> parts = Children(signature.node, 3);
  if (!IsSignedInfo(parts[0]) || !Is(parts[1], "SignatureValue", 0) ||
      !ChildElements(parts[1]).empty()) {
    return OtherForm();
  }
  // xmlsec reads more than one spelling of a value.
  const std::optional<std::string> value = ReadBase64(parts[1]);
  if (!value.has_value() || value->size() != kSignatureValueBytes) {
    return OtherForm();
  }
  KMS_ASSIGN_OR_RETURN(signature.certificates, ReadKeyInfo(parts[2]));
  return signature;
}

absl::Status VerifyXmlSignature(const XmlSignature& signature,
                                const crypto::PublicKey& key) {
  const absl::Status invalid = Refuse(
      v1::SIGNATURE_INVALID, "rim: its digest or signature does not verify");
  if (key.kind() != crypto::KeyKind::kP384) return invalid;
  InitXml();
  const std::unique_ptr<xmlSecDSigCtx, DsigDeleter> context(
      xmlSecDSigCtxCreate(nullptr));
  if (context == nullptr) return invalid;
  // With the key given, xmlsec reads none out of KeyInfo.
  const BytesView spki = AsBytes(key.spki());
  context->signKey = xmlSecCryptoAppKeyLoadMemory(
      spki.data(), static_cast<xmlSecSize>(spki.size()), xmlSecKeyDataFormatDer,
      nullptr, nullptr, nullptr);
  context->enabledReferenceUris = xmlSecTransformUriTypeEmpty;
  if (context->signKey == nullptr ||
      xmlSecDSigCtxEnableReferenceTransform(context.get(),
                                            xmlSecTransformEnvelopedId) < 0 ||
      xmlSecDSigCtxEnableReferenceTransform(context.get(),
                                            xmlSecTransformInclC14N11Id) < 0 ||
      xmlSecDSigCtxEnableReferenceTransform(context.get(),
                                            xmlSecTransformSha384Id) < 0 ||
      xmlSecDSigCtxEnableSignatureTransform(context.get(),
                                            xmlSecTransformInclC14N11Id) < 0 ||
      xmlSecDSigCtxEnableSignatureTransform(context.get(),
                                            xmlSecTransformEcdsaSha384Id) < 0) {
    return invalid;
  }
  if (xmlSecDSigCtxVerify(context.get(), signature.node) < 0 ||
      context->status != xmlSecDSigStatusSucceeded ||
      xmlSecPtrListGetSize(&context->signedInfoReferences) != 1) {
    return invalid;
  }
  return absl::OkStatus();
}

}  // namespace kms::nvidia
