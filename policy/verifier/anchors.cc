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
                absl::string_view spki_sha256_hex,
                AnchorUse use = AnchorUse::kEvidence) {
  TrustAnchor anchor;
  anchor.name = std::string(name);
  anchor.type = type;
  anchor.use = use;
  anchor.spki_sha256 = *Unhex(spki_sha256_hex);
  return anchor;
}

}  // namespace

TrustAnchor AnchorFromCertificate(std::string name, v1::EvidenceType type,
                                  const x509::Certificate& certificate,
                                  bool simulated) {
  TrustAnchor anchor =
      AnchorFromKey(std::move(name), type, certificate.public_key(), simulated);
  anchor.certificate = certificate;
  return anchor;
}

TrustAnchor AnchorFromKey(std::string name, v1::EvidenceType type,
                          const crypto::PublicKey& key, bool simulated) {
  TrustAnchor anchor;
  anchor.name = std::move(name);
  anchor.type = type;
  anchor.spki_sha256 = key.spki_sha256();
  anchor.key = key;
  anchor.simulated = simulated;
  return anchor;
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
    if (anchor.key.has_value() &&
        anchor.key->spki_sha256() != anchor.spki_sha256) {
      return Bad("the pin is not the key's");
    }
    for (const AnchorUse use :
         {AnchorUse::kEvidence, AnchorUse::kReferenceValues}) {
      for (const TrustAnchor& other : result.For(anchor.type, use).anchors) {
        if (other.name == anchor.name ||
            (use == anchor.use && other.spki_sha256 == anchor.spki_sha256)) {
          return Bad("two of one type have the same name or key");
        }
      }
    }
    OfType& of_type = result.by_type_[{anchor.type, anchor.use}];
    of_type.x509.push_back(
        {.spki_sha256 = anchor.spki_sha256, .certificate = anchor.certificate});
    of_type.anchors.push_back(std::move(anchor));
  }
  for (auto& [key, of_type] : result.by_type_) {
    ByteWriter inputs;
    inputs.U32Be(static_cast<uint32_t>(key.first));
    inputs.U8(static_cast<uint8_t>(key.second));
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
      Pin("intel-sgx-root-ca", v1::TDX,
          "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"),
      Pin("intel-sgx-root-ca", v1::SGX,
          "a0af031289f5d5d4132f9186068a7fc13628633ba235777472e29b6b6c67a49e"),
      Pin("nvidia-device-identity-ca", v1::NVIDIA_GPU,
          "a90c4eb5acfd3e3d03a25db6a26b84f720ad0503196c627c21ddd48dd85b06a4"),
      Pin("nvidia-corim-signing-root-ca", v1::NVIDIA_GPU,
          "dec1dc316477aa851eebdf51327ae9f864bc8d89254657ed1e7eb9168af1e1a3",
          AnchorUse::kReferenceValues),
      Pin("aws-nitro-enclaves-root-g1", v1::NITRO,
          "f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225"),
      Pin("google-ek-ak-ca-root", v1::TPM,
          "56a613f57126a385dd6949294e93b0b566f96ab0573be0c2368e6f5ca779831f"),
      Pin("google-tpm-ek-root-1", v1::TPM,
          "f23057f4f97d1d90e4cae0ce91d5a0fc99069f0a1bc147021dca33b1e9c4d0d9"),
      Pin("azure-vtpm-root-2023", v1::AZ_SNP_VTPM,
          "5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf"),
      Pin("microsoft-rsa-devices-root-2021", v1::AZ_SNP_VTPM,
          "d61ed293962f1f6ceb26ea9ec1c5a8c6cab38e73671f27c22df90e47977707ff"),
      Pin("azure-vtpm-root-2023", v1::AZ_TDX_VTPM,
          "5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf"),
      Pin("microsoft-rsa-devices-root-2021", v1::AZ_TDX_VTPM,
          "d61ed293962f1f6ceb26ea9ec1c5a8c6cab38e73671f27c22df90e47977707ff"),
  };
  return *kBuiltIn;
}

const TrustAnchors::OfType& TrustAnchors::For(v1::EvidenceType type,
                                              AnchorUse use) const {
  static const auto* const kNone = new OfType();
  const auto found = by_type_.find({type, use});
  return found == by_type_.end() ? *kNone : found->second;
}

}  // namespace kms::policy
