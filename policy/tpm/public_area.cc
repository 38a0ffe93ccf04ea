#include "policy/tpm/public_area.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/tpm/algorithm.h"

namespace kms::tpm {
namespace {

// TCG Algorithm Registry, TPM_ECC_CURVE.
constexpr uint16_t kCurveP256 = 0x0003;
constexpr uint16_t kCurveP384 = 0x0004;

// Part 2, TPMS_RSA_PARMS: zero stands for the default.
constexpr uint32_t kDefaultExponent = 65537;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("tpm public area: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat("tpm public area: ", fault));
}

std::string Sized(ByteReader& reader) {
  return ToString(reader.Bytes(reader.U16Be()));
}

absl::Status ReadScheme(ByteReader& reader, bool rsa, PublicArea& area) {
  const uint16_t scheme = reader.U16Be();
  if (reader.failed() || scheme == kAlgNull) return absl::OkStatus();
  const bool known =
      rsa ? scheme == kAlgRsaSsa || scheme == kAlgRsaPss : scheme == kAlgEcdsa;
  if (!known) return Unsupported("neither RSASSA, RSAPSS nor ECDSA");
  const std::optional<crypto::Hash> hash = HashOf(reader.U16Be());
  if (reader.failed()) return absl::OkStatus();
  if (!hash.has_value()) return Unsupported("a scheme's hash is not SHA-2");
  area.scheme = static_cast<Scheme>(scheme);
  area.scheme_hash = *hash;
  return absl::OkStatus();
}

absl::Status ReadRsa(ByteReader& reader, PublicArea& area) {
  const uint16_t bits = reader.U16Be();
  area.exponent = reader.U32Be();
  area.modulus = Sized(reader);
  if (reader.failed()) return absl::OkStatus();
  if (bits != 2048 && bits != 3072 && bits != 4096) {
    return Unsupported(
        absl::StrCat("RSA of ", bits, " bits, want 2048, 3072 or 4096"));
  }
  if (area.exponent != 0 && area.exponent != kDefaultExponent) {
    return Unsupported("an RSA exponent that is not 65537");
  }
  if (area.modulus.size() != bits / 8) {
    return Malformed("the RSA modulus is not of the key's size");
  }
  return absl::OkStatus();
}

absl::Status ReadEcc(ByteReader& reader, PublicArea& area) {
  const uint16_t curve = reader.U16Be();
  const uint16_t kdf = reader.U16Be();
  area.x = Sized(reader);
  area.y = Sized(reader);
  if (reader.failed()) return absl::OkStatus();
  if (curve != kCurveP256 && curve != kCurveP384) {
    return Unsupported("a curve that is neither P-256 nor P-384");
  }
  area.curve =
      curve == kCurveP256 ? crypto::Curve::kP256 : crypto::Curve::kP384;
  if (kdf != kAlgNull) return Unsupported("a signing key with a KDF");
  const size_t size = crypto::CurveFieldSize(area.curve);
  if (area.x.size() > size || area.y.size() > size) {
    return Malformed("a coordinate is larger than its curve's field");
  }
  return absl::OkStatus();
}

std::string Padded(const std::string& number, size_t size) {
  return std::string(size - number.size(), '\0') + number;
}

}  // namespace

absl::StatusOr<PublicArea> ParsePublicArea(BytesView bytes) {
  if (bytes.size() > kPublicAreaBytesMax) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want at most ",
                                  kPublicAreaBytesMax));
  }
  ByteReader reader(bytes);
  const uint16_t type = reader.U16Be();
  const std::optional<crypto::Hash> name_hash = HashOf(reader.U16Be());
  PublicArea area;
  area.attributes = reader.U32Be();
  area.auth_policy = Sized(reader);
  const uint16_t symmetric = reader.U16Be();
  if (reader.failed()) return Malformed("too short");
  if (type != kAlgRsa && type != kAlgEcc) {
    return Unsupported("neither an RSA nor an ECC key");
  }
  if (!name_hash.has_value()) return Unsupported("a name that is not by SHA-2");
  area.name_hash = *name_hash;
  if ((area.attributes & ~kAttributesKnown) != 0) {
    return Malformed("a reserved attribute is set");
  }
  // Part 2, TPMU_PUBLIC_PARMS: only a restricted decryption key has a cipher.
  if (symmetric != kAlgNull) return Unsupported("a key for decryption");
  const bool rsa = type == kAlgRsa;
  KMS_RETURN_IF_ERROR(ReadScheme(reader, rsa, area));
  KMS_RETURN_IF_ERROR(rsa ? ReadRsa(reader, area) : ReadEcc(reader, area));
  if (!reader.Finish("").ok()) return Malformed("of another length");
  return area;
}

std::string SerializePublicArea(const PublicArea& area) {
  const bool rsa = !area.modulus.empty();
  ByteWriter out;
  const auto sized = [&out](const std::string& bytes) {
    out.U16Be(static_cast<uint16_t>(bytes.size())).Bytes(bytes);
  };
  out.U16Be(rsa ? kAlgRsa : kAlgEcc).U16Be(AlgorithmOf(area.name_hash));
  out.U32Be(area.attributes);
  sized(area.auth_policy);
  out.U16Be(kAlgNull);
  if (area.scheme.has_value()) {
    out.U16Be(static_cast<uint16_t>(*area.scheme));
    out.U16Be(AlgorithmOf(area.scheme_hash));
  } else {
    out.U16Be(kAlgNull);
  }
  if (rsa) {
    out.U16Be(static_cast<uint16_t>(area.modulus.size() * 8));
    out.U32Be(area.exponent);
    sized(area.modulus);
  } else {
    out.U16Be(area.curve == crypto::Curve::kP256 ? kCurveP256 : kCurveP384);
    out.U16Be(kAlgNull);
    sized(area.x);
    sized(area.y);
  }
  return out.Take();
}

std::string NameOf(const PublicArea& area) {
  ByteWriter name;
  name.U16Be(AlgorithmOf(area.name_hash));
  name.Bytes(
      crypto::Digest(area.name_hash, AsBytes(SerializePublicArea(area))));
  return name.Take();
}

absl::StatusOr<crypto::PublicKey> KeyOf(const PublicArea& area) {
  absl::StatusOr<crypto::PublicKey> key =
      absl::InvalidArgumentError("no key yet");
  if (area.modulus.empty()) {
    const size_t size = crypto::CurveFieldSize(area.curve);
    key = crypto::PublicKey::FromPoint(
        area.curve, AsBytes(absl::StrCat("\x04", Padded(area.x, size),
                                         Padded(area.y, size))));
  } else {
    const std::string exponent("\x01\x00\x01", 3);  // kDefaultExponent.
    key = crypto::PublicKey::FromRsa(AsBytes(area.modulus), AsBytes(exponent));
  }
  if (!key.ok()) return Malformed("its numbers are those of no key");
  return key;
}

absl::Status CheckAttestationKey(const PublicArea& area) {
  const auto mismatch = [](absl::string_view fault) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  absl::StrCat("tpm attestation key: ", fault));
  };
  const auto has = [&area](uint32_t attribute) {
    return (area.attributes & attribute) != 0;
  };
  if (!has(kSign)) return mismatch("not for signing");
  if (has(kDecrypt)) return mismatch("also for decryption");
  // Part 1, "Restricted Attribute": only then does the TPM sign nothing that
  // it did not make itself.
  if (!has(kRestricted)) return mismatch("not restricted");
  if (!area.scheme.has_value()) return mismatch("restricted without a scheme");
  // Without these three a copy of the key may exist outside of the TPM.
  if (!has(kFixedTpm)) return mismatch("not fixed to its TPM");
  if (!has(kFixedParent)) return mismatch("not fixed to its parent");
  if (!has(kSensitiveDataOrigin)) return mismatch("not made by its TPM");
  return absl::OkStatus();
}

}  // namespace kms::tpm
