#include "policy/verifier/anchors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"

namespace kms::policy {
namespace {

constexpr size_t kNameBytesMax = 64;
constexpr size_t kPinBytes = 32;

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("trust anchor: ", fault));
}

TrustAnchor Pin(absl::string_view name, v1::EvidenceType type,
                absl::string_view spki_sha256_hex) {
  return {.name = std::string(name),
          .type = type,
          .spki_sha256 = *Unhex(spki_sha256_hex),
          .certificate = std::nullopt,
          .simulated = false};
}

}  // namespace

TrustAnchor AnchorFromCertificate(std::string name, v1::EvidenceType type,
                                  const x509::Certificate& certificate,
                                  bool simulated) {
  return {.name = std::move(name),
          .type = type,
          .spki_sha256 = certificate.spki_sha256(),
          .certificate = certificate,
          .simulated = simulated};
}

absl::StatusOr<TrustAnchors> TrustAnchors::Create(
    std::vector<TrustAnchor> anchors) {
  TrustAnchors result;
  for (TrustAnchor& anchor : anchors) {
    if (anchor.name.empty() || anchor.name.size() > kNameBytesMax) {
      return Bad(absl::StrCat("a name of ", anchor.name.size(),
                              " bytes, want 1 to ", kNameBytesMax));
    }
    if (anchor.type == v1::EVIDENCE_TYPE_UNSPECIFIED) {
      return Bad("no evidence type");
    }
    if (anchor.spki_sha256.size() != kPinBytes) {
      return Bad("the pin is not 32 bytes");
    }
    if (anchor.certificate.has_value() &&
        anchor.certificate->spki_sha256() != anchor.spki_sha256) {
      return Bad("the pin is not the certificate's");
    }
    OfType& of_type = result.by_type_[anchor.type];
    for (const TrustAnchor& other : of_type.anchors) {
      if (other.name == anchor.name ||
          other.spki_sha256 == anchor.spki_sha256) {
        return Bad("two of one type have the same name or key");
      }
    }
    of_type.x509.push_back(
        {.spki_sha256 = anchor.spki_sha256, .certificate = anchor.certificate});
    of_type.anchors.push_back(std::move(anchor));
  }
  for (auto& [type, of_type] : result.by_type_) {
    ByteWriter inputs;
    inputs.U32Be(static_cast<uint32_t>(type));
    for (const TrustAnchor& anchor : of_type.anchors) {
      inputs.Field(anchor.name).Field(anchor.spki_sha256);
      inputs.Field(anchor.certificate.has_value() ? anchor.certificate->der()
                                                  : std::string());
      inputs.U8(anchor.simulated ? 1 : 0);
    }
    of_type.digest = crypto::Sha256(AsBytes(inputs.str()));
  }
  return result;
}

const std::vector<TrustAnchor>& TrustAnchors::BuiltIn() {
  static const auto* const kBuiltIn = new std::vector<TrustAnchor>{
      Pin("amd-ark-milan", v1::SEV_SNP,
          "9f056bee44377e29308cb5ffa895bdfb62d18881fa6bed8d6f075b0204089cb9"),
      Pin("amd-ark-genoa", v1::SEV_SNP,
          "429a69c9422aa258ee4d8db5fcda9c6470ef15f8cd5a9cebd6cbc7d90b863831"),
      Pin("amd-ark-turin", v1::SEV_SNP,
          "4f125410563a2ab9a50356f9243f6fe0b6f73de98603f53f90339c70e9d7ad08"),
  };
  return *kBuiltIn;
}

const TrustAnchors::OfType& TrustAnchors::For(v1::EvidenceType type) const {
  static const auto* const kNone = new OfType();
  const auto found = by_type_.find(type);
  return found == by_type_.end() ? *kNone : found->second;
}

}  // namespace kms::policy
