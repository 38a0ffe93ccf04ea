// The enveloped signature of a manifest, and whether it verifies.
// Sources: W3C XML Signature Syntax and Processing 1.1, section 4 and 6.6.4
// (enveloped signature); Canonical XML 1.1; RFC 6931 (ecdsa-sha384, sha384).
//
// One form is accepted, the one in which NVIDIA signs; whatever else XML
// signatures allow (references elsewhere, XPath, XSLT, several signatures,
// objects, keys by name) is refused before xmlsec is asked:
//
//   Signature  the root's own child, the only one in the document
//     SignedInfo
//       CanonicalizationMethod  C14N 1.1
//       SignatureMethod         ECDSA with SHA-384
//       Reference URI=""        enveloped signature, then C14N 1.1; SHA-384
//     SignatureValue
//     KeyInfo / X509Data / X509Certificate*
//
// Thread-safe: free functions; a document belongs to one thread.
#ifndef POLICY_NVIDIA_XML_SIGNATURE_H_
#define POLICY_NVIDIA_XML_SIGNATURE_H_

#include <libxml/tree.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/x509/certificate.h"

namespace kms::nvidia {

inline constexpr char kDsigNamespace[] = "http://www.w3.org/2000/09/xmldsig#";

struct XmlSignature {
  xmlNode* node = nullptr;  // Owned by the document.
  std::vector<x509::Certificate>
      certificates;  // Of its KeyInfo, as they stand.
};

// ENDORSEMENT_MALFORMED: no signature, more than one, or not of this form.
absl::StatusOr<XmlSignature> FindXmlSignature(xmlDoc* document);

// OK if `key` signed SignedInfo and the reference's digest is that of the
// document without `signature`. SIGNATURE_INVALID otherwise.
absl::Status VerifyXmlSignature(const XmlSignature& signature,
                                const crypto::PublicKey& key);

}  // namespace kms::nvidia

#endif  // POLICY_NVIDIA_XML_SIGNATURE_H_
