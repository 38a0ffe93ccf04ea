#include "kms/crypto/spki.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/der.h"
#include "kms/crypto/oids.h"

namespace kms::crypto {
namespace {

// RSA below 2048 bits is breakable, above 4096 is a cost an attacker chooses.
constexpr size_t kRsaBitsMin = 2048;
constexpr size_t kRsaBitsMax = 4096;
constexpr size_t kRsaExponentBytesMax = 8;
constexpr size_t kEd25519KeySize = 32;

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("spki: ", fault));
}

// RFC 4055, section 2.1: NULL parameters and none are both to be accepted.
bool SkipNullOrNone(DerReader& reader) {
  if (reader.empty()) return !reader.failed();
  return reader.Element(kDerNull).empty() && reader.Finished();
}

std::optional<Hash> ReadHash(DerReader algorithm) {
  BytesView oid = algorithm.Element(kDerOid);
  if (!SkipNullOrNone(algorithm)) return std::nullopt;
  constexpr size_t kArcSize = sizeof(kSha2Arc);
  if (oid.size() != kArcSize + 1 || oid.first(kArcSize) != kSha2Arc) {
    return std::nullopt;
  }
  switch (oid[kArcSize]) {
    case 1:
      return Hash::kSha256;
    case 2:
      return Hash::kSha384;
    case 3:
      return Hash::kSha512;
    default:
      return std::nullopt;
  }
}

// RSASSA-PSS-params ::= SEQUENCE {
//   hashAlgorithm      [0] HashAlgorithm     DEFAULT sha1,
//   maskGenAlgorithm   [1] MaskGenAlgorithm  DEFAULT mgf1SHA1,
//   saltLength         [2] INTEGER           DEFAULT 20,
//   trailerField       [3] INTEGER           DEFAULT 1 }
// DER leaves defaults out, so [3] never appears and [2] is never 20; SHA-1,
// the default of [0] and [1], is not accepted, so both must appear.
std::optional<PssRestriction> ReadPssParameters(DerReader parameters) {
  DerReader hash_field = parameters.Nested(DerContext(0));
  const auto hash = ReadHash(hash_field.Nested(kDerSequence));
  DerReader mask_field = parameters.Nested(DerContext(1));
  DerReader mask = mask_field.Nested(kDerSequence);
  const BytesView mask_oid = mask.Element(kDerOid);
  const auto mask_hash = ReadHash(mask.Nested(kDerSequence));
  size_t salt_size = 20;
  if (parameters.Next(DerContext(2))) {
    DerReader salt_field = parameters.Nested(DerContext(2));
    const BytesView salt = salt_field.Unsigned();
    if (!salt_field.Finished() || salt.size() > 1) return std::nullopt;
    salt_size = salt.empty() ? 0 : salt[0];
    if (salt_size == 20) return std::nullopt;
  }
  if (!parameters.Finished() || !hash_field.Finished() ||
      !mask_field.Finished() || !mask.Finished() || mask_oid != kMgf1Oid ||
      !hash.has_value() || hash != mask_hash) {
    return std::nullopt;
  }
  return PssRestriction{*hash, salt_size};
}

// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
absl::Status ReadRsaKey(Spki& spki) {
  DerReader key(spki.key);
  DerReader numbers = key.Nested(kDerSequence);
  const BytesView n = numbers.Unsigned();
  const BytesView e = numbers.Unsigned();
  if (!key.Finished() || !numbers.Finished() || n.empty() || e.empty()) {
    return Bad("RSA key is not strict DER");
  }
  size_t bits = n.size() * 8;
  for (uint8_t top = n[0]; (top & 0x80) == 0; top = uint8_t(top << 1)) --bits;
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) {
    return Bad(absl::StrCat("RSA modulus of ", bits, " bits, want ",
                            kRsaBitsMin, " to ", kRsaBitsMax));
  }
  if (n.back() % 2 == 0) return Bad("even RSA modulus");
  // Two bytes hold at most 65535.
  if (e.size() <= 2 || e.size() > kRsaExponentBytesMax || e.back() % 2 == 0) {
    return Bad("RSA exponent, want odd from 65537 to below 2^64");
  }
  spki.rsa_modulus = n;
  spki.rsa_exponent = e;
  return absl::OkStatus();
}

absl::Status ReadEcKey(DerReader& algorithm, Spki& spki) {
  // RFC 5480, section 2.1.1: namedCurve only; specifiedCurve, a SEQUENCE, is
  // how a forger brings his own generator (CVE-2020-0601).
  const BytesView oid = algorithm.Element(kDerOid);
  if (!algorithm.Finished()) return Bad("curve is not given by name");
  if (oid == kP256Oid) {
    spki.kind = KeyKind::kP256;
  } else if (oid == kP384Oid) {
    spki.kind = KeyKind::kP384;
  } else {
    return Bad("curve is neither P-256 nor P-384");
  }
  const Curve curve = spki.kind == KeyKind::kP256 ? Curve::kP256 : Curve::kP384;
  // Fixed length and 0x04 leave out compressed and hybrid points and infinity.
  if (spki.key.size() != CurvePointSize(curve) || spki.key[0] != 0x04) {
    return Bad("EC point is not uncompressed");
  }
  return absl::OkStatus();
}

absl::Status ReadRsaPssKey(DerReader& algorithm, Spki& spki) {
  spki.kind = KeyKind::kRsaPss;
  // RFC 4055, section 3.1: absent parameters mean no restriction.
  if (!algorithm.empty()) {
    spki.pss = ReadPssParameters(algorithm.Nested(kDerSequence));
    if (!spki.pss.has_value() || !algorithm.Finished()) {
      return Bad("RSASSA-PSS parameters, want one SHA-2 hash for both");
    }
  }
  return ReadRsaKey(spki);
}

// Up to 65535 bytes, which the longest RSA key is far below.
void AppendElement(uint8_t tag, BytesView contents, ByteWriter& out) {
  out.U8(tag);
  if (contents.size() > 0xff) {
    out.U8(0x82).U8(static_cast<uint8_t>(contents.size() >> 8));
  } else if (contents.size() > 0x7f) {
    out.U8(0x81);
  }
  out.U8(static_cast<uint8_t>(contents.size() & 0xff)).Bytes(contents);
}

void AppendUnsigned(BytesView number, ByteWriter& out) {
  const bool sign_byte = number.empty() || (number[0] & 0x80) != 0;
  AppendElement(kDerInteger,
                AsBytes((sign_byte ? std::string(1, '\0') : std::string()) +
                        ToString(number)),
                out);
}

std::string MakeSpki(const ByteWriter& algorithm, BytesView key) {
  ByteWriter body;
  AppendElement(kDerSequence, AsBytes(algorithm.str()), body);
  AppendElement(kDerBitString, AsBytes('\0' + ToString(key)), body);
  ByteWriter spki;
  AppendElement(kDerSequence, AsBytes(body.str()), spki);
  return spki.Take();
}

void AppendOid(BytesView oid, ByteWriter& out) {
  AppendElement(kDerOid, oid, out);
}

}  // namespace

absl::StatusOr<Spki> ParseSpki(BytesView der) {
  // SubjectPublicKeyInfo ::= SEQUENCE {
  //   algorithm         AlgorithmIdentifier,  -- SEQUENCE { OID, parameters }
  //   subjectPublicKey  BIT STRING }
  DerReader reader(der);
  DerReader body = reader.Nested(kDerSequence);
  DerReader algorithm = body.Nested(kDerSequence);
  const BytesView oid = algorithm.Element(kDerOid);
  Spki spki = {};
  spki.key = body.BitString();
  if (!reader.Finished() || !body.Finished() || algorithm.failed()) {
    return Bad("not strict DER");
  }
  if (oid == kRsaEncryptionOid) {
    spki.kind = KeyKind::kRsa;
    // RFC 3279, section 2.3.1: the parameters are NULL.
    if (!algorithm.Element(kDerNull).empty() || !algorithm.Finished()) {
      return Bad("RSA parameters, want NULL");
    }
    KMS_RETURN_IF_ERROR(ReadRsaKey(spki));
  } else if (oid == kRsassaPssOid) {
    KMS_RETURN_IF_ERROR(ReadRsaPssKey(algorithm, spki));
  } else if (oid == kEcPublicKeyOid) {
    KMS_RETURN_IF_ERROR(ReadEcKey(algorithm, spki));
  } else if (oid == kEd25519Oid) {
    spki.kind = KeyKind::kEd25519;
    // RFC 8410, section 3: the parameters are absent.
    if (!algorithm.Finished() || spki.key.size() != kEd25519KeySize) {
      return Bad("Ed25519 key with parameters or of a wrong length");
    }
  } else {
    return Bad("algorithm is not RSA, RSASSA-PSS, EC or Ed25519");
  }
  return spki;
}

std::string MakeEcSpki(Curve curve, BytesView point) {
  ByteWriter algorithm;
  AppendOid(kEcPublicKeyOid, algorithm);
  AppendOid(curve == Curve::kP256 ? BytesView(kP256Oid) : BytesView(kP384Oid),
            algorithm);
  return MakeSpki(algorithm, point);
}

std::string MakeEd25519Spki(BytesView key) {
  ByteWriter algorithm;
  AppendOid(kEd25519Oid, algorithm);
  return MakeSpki(algorithm, key);
}

std::string MakeRsaSpki(BytesView modulus, BytesView exponent) {
  ByteWriter algorithm;
  AppendOid(kRsaEncryptionOid, algorithm);
  AppendElement(kDerNull, BytesView(), algorithm);
  ByteWriter numbers;
  AppendUnsigned(modulus, numbers);
  AppendUnsigned(exponent, numbers);
  ByteWriter key;
  AppendElement(kDerSequence, AsBytes(numbers.str()), key);
  return MakeSpki(algorithm, AsBytes(key.str()));
}

}  // namespace kms::crypto
