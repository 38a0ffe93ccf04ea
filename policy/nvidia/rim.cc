#include "policy/nvidia/rim.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/nvidia/limits.h"
#include "policy/nvidia/xml_document.h"
#include "policy/nvidia/xml_signature.h"

namespace kms::nvidia {
namespace {

constexpr char kSwid[] =
    "http://standards.iso.org/iso/19770/-2/2015/schema.xsd";
constexpr char kSha384[] = "http://www.w3.org/2001/04/xmlenc#sha384";
constexpr size_t kDigestBytes = 48;
// SPDM numbers measurements from 1 to 254, manifests from 0.
constexpr uint32_t kRimIndexMax = 253;

constexpr x509::SignatureScheme kSchemes[] = {
    x509::SignatureScheme::kEcdsaSha384};

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat("rim: ", fault));
}

// Decimal without signs, spaces or leading zeros.
std::optional<uint32_t> ReadNumber(const xmlNode* node,
                                   absl::string_view name) {
  const std::unique_ptr<std::string> text = Attribute(node, name);
  uint32_t value = 0;
  if (text == nullptr || !absl::SimpleAtoi(*text, &value) ||
      absl::StrCat(value) != *text) {
    return std::nullopt;
  }
  return value;
}

absl::StatusOr<std::string> ReadText(const xmlNode* node,
                                     absl::string_view name) {
  const std::unique_ptr<std::string> text = Attribute(node, name);
  if (text == nullptr || text->empty() || text->size() > kRimTextBytesMax ||
      !std::all_of(text->begin(), text->end(), absl::ascii_isgraph)) {
    return Malformed(absl::StrCat("no ", name, ", or not a short text"));
  }
  return *text;
}

// ISO/IEC 19770-2: tagVersion is an integer, 0 if absent, and the next one
// corrects the tag before. revision is the maker's own text.
absl::StatusOr<uint64_t> ReadEdition(const xmlNode* root, const xmlNode* meta) {
  uint32_t tag = 0;
  if (Attribute(root, "tagVersion") != nullptr) {
    const std::optional<uint32_t> number = ReadNumber(root, "tagVersion");
    if (!number.has_value()) return Malformed("tagVersion is no number");
    tag = *number;
  }
  uint32_t revision = 0;
  const std::unique_ptr<std::string> text = Attribute(meta, "revision");
  if (text == nullptr || text->empty() || text->front() != 'r' ||
      !absl::SimpleAtoi(absl::string_view(*text).substr(1), &revision)) {
    revision = 0;
  }
  return uint64_t{tag} << 32 | revision;
}

// "96.00.9F.00.01"; a driver's version has other parts.
bool IsVbiosVersion(absl::string_view version) {
  if (version.size() != 14) return false;
  for (size_t i = 0; i < version.size(); ++i) {
    const auto c = static_cast<unsigned char>(version[i]);
    if (i % 3 == 2 ? c != '.' : !absl::ascii_isxdigit(c)) return false;
  }
  return true;
}

// Resource: adds to `rim` what is active. `seen` has the indices so far.
absl::Status ReadResource(const xmlNode* node, std::set<uint32_t>& seen,
                          Rim& rim) {
  const std::optional<uint32_t> index = ReadNumber(node, "index");
  const std::optional<uint32_t> size = ReadNumber(node, "size");
  const std::optional<uint32_t> count = ReadNumber(node, "alternatives");
  const std::unique_ptr<std::string> active = Attribute(node, "active");
  const std::unique_ptr<std::string> type = Attribute(node, "type");
  if (!index.has_value() || *index > kRimIndexMax || size != kDigestBytes ||
      !count.has_value() || *count == 0 || *count > kRimAlternativesMax ||
      active == nullptr || (*active != "True" && *active != "False") ||
      type == nullptr || *type != "Measurement") {
    return Malformed("a measurement with an attribute missing or ill-formed");
  }
  if (!seen.insert(*index).second) {
    return Malformed(absl::StrCat("two measurements of index ", *index));
  }
  std::vector<std::string> alternatives;
  for (uint32_t i = 0; i < *count; ++i) {
    const std::unique_ptr<std::string> hex =
        Attribute(node, absl::StrCat("Hash", i), kSha384);
    absl::StatusOr<std::string> digest =
        hex == nullptr ? std::string() : Unhex(*hex);
    if (!digest.ok() || digest->size() != kDigestBytes) {
      return Malformed("a measurement without a SHA-384 value");
    }
    alternatives.push_back(*std::move(digest));
  }
  if (AttributeCount(node, kSha384) != *count) {
    return Malformed("a measurement with more values than it says");
  }
  if (*active == "True") rim.measurements[*index + 1] = std::move(alternatives);
  return absl::OkStatus();
}

// What `document` says, its signature aside.
absl::StatusOr<Rim> ReadRim(const xmlDoc* document) {
  const xmlNode* root = xmlDocGetRootElement(document);
  if (!IsElement(root, "SoftwareIdentity", kSwid)) {
    return Malformed("not a SWID tag");
  }
  const xmlNode* meta = nullptr;
  const xmlNode* payload = nullptr;
  for (const xmlNode* child : ChildElements(root)) {
    const xmlNode** const place = IsElement(child, "Meta", kSwid) ? &meta
                                  : IsElement(child, "Payload", kSwid)
                                      ? &payload
                                      : nullptr;
    if (place == nullptr) continue;
    if (*place != nullptr) return Malformed("an element twice");
    *place = child;
  }
  if (meta == nullptr || payload == nullptr) {
    return Malformed("no Meta or no Payload");
  }
  Rim rim;
  KMS_ASSIGN_OR_RETURN(rim.version, ReadText(meta, "colloquialVersion"));
  KMS_ASSIGN_OR_RETURN(rim.product, ReadText(meta, "product"));
  KMS_ASSIGN_OR_RETURN(rim.edition, ReadEdition(root, meta));
  if (IsVbiosVersion(rim.version)) {
    rim.kind = RimKind::kVbios;
    absl::AsciiStrToUpper(&rim.version);
  }
  std::set<uint32_t> seen;
  for (const xmlNode* resource : ChildElements(payload)) {
    if (!IsElement(resource, "Resource", kSwid)) {
      return Malformed("a payload that is not measurements");
    }
    KMS_RETURN_IF_ERROR(ReadResource(resource, seen, rim));
  }
  // Nothing to compare with is not a comparison.
  if (rim.measurements.empty()) return Malformed("no active measurement");
  return rim;
}

}  // namespace

absl::string_view RimRole(RimKind kind) {
  return kind == RimKind::kDriver ? "rim_driver" : "rim_vbios";
}

std::string Rim::MakeId(RimKind kind, absl::string_view product,
                        absl::string_view version) {
  return absl::StrCat(kind == RimKind::kDriver ? "driver/" : "vbios/", product,
                      "/", version);
}

absl::StatusOr<Rim> ParseUnverifiedRim(BytesView file) {
  KMS_ASSIGN_OR_RETURN(const XmlDocument document, ParseXml(file));
  return ReadRim(document.get());
}

absl::StatusOr<VerifiedRim> ParseAndVerifyRim(
    BytesView file, const policy::TrustAnchors& anchors, absl::Time now) {
  KMS_ASSIGN_OR_RETURN(const XmlDocument document, ParseXml(file));
  KMS_ASSIGN_OR_RETURN(Rim rim, ReadRim(document.get()));
  KMS_ASSIGN_OR_RETURN(const XmlSignature signature,
                       FindXmlSignature(document.get()));
  // X509Data has no order: the signer is who is no CA.
  const x509::Certificate* signer = nullptr;
  for (const x509::Certificate& certificate : signature.certificates) {
    if (certificate.is_ca()) continue;
    if (signer != nullptr) return Malformed("two certificates of a signer");
    signer = &certificate;
  }
  if (signer == nullptr) return Malformed("no certificate of its signer");
  KMS_RETURN_IF_ERROR(VerifyXmlSignature(signature, signer->public_key()));
  KMS_ASSIGN_OR_RETURN(
      x509::VerifiedChain chain,
      x509::VerifyChain(
          *signer, signature.certificates,
          anchors.For(v1::NVIDIA_GPU, policy::AnchorUse::kReferenceValues).x509,
          {}, now, {.schemes = kSchemes}));
  return VerifiedRim(std::move(rim), std::move(chain), crypto::Sha256(file));
}

}  // namespace kms::nvidia
