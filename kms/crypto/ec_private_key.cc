#include "kms/crypto/ec_private_key.h"

#include "kms/crypto/der.h"
#include "kms/crypto/oids.h"

namespace kms::crypto {
namespace {

constexpr uint8_t kDerOctetString = 0x04;

std::optional<Curve> CurveOfOid(BytesView oid) {
  if (oid == kP256Oid) return Curve::kP256;
  if (oid == kP384Oid) return Curve::kP384;
  return std::nullopt;
}

// ECPrivateKey ::= SEQUENCE {
//   version        INTEGER { ecPrivkeyVer1(1) },
//   privateKey     OCTET STRING,
//   parameters [0] ECParameters OPTIONAL,   -- namedCurve OID
//   publicKey  [1] BIT STRING OPTIONAL }
// `curve` is the surrounding PrivateKeyInfo's, if there is one.
std::optional<EcPrivateKeyInfo> Parse(BytesView der,
                                      std::optional<Curve> curve) {
  DerReader reader(der);
  DerReader body = reader.Nested(kDerSequence);
  const BytesView version = body.Unsigned();
  if (version.size() != 1 || version[0] != 1) return std::nullopt;
  const BytesView scalar = body.Element(kDerOctetString);
  if (body.Next(DerContext(0))) {
    DerReader parameters = body.Nested(DerContext(0));
    const auto named = CurveOfOid(parameters.Element(kDerOid));
    if (!parameters.Finished() || !named || (curve && *curve != *named)) {
      return std::nullopt;
    }
    curve = named;
  }
  BytesView point;
  if (body.Next(DerContext(1))) {
    DerReader public_key = body.Nested(DerContext(1));
    point = public_key.BitString();
    if (!public_key.Finished() || point.empty()) return std::nullopt;
  }
  if (!reader.Finished() || !body.Finished() || !curve ||
      scalar.size() != CurveFieldSize(*curve)) {
    return std::nullopt;
  }
  return EcPrivateKeyInfo{*curve, scalar, point};
}

}  // namespace

std::optional<EcPrivateKeyInfo> ParseSec1(BytesView der) {
  return Parse(der, std::nullopt);
}

// PrivateKeyInfo ::= SEQUENCE {
//   version              INTEGER (0),
//   privateKeyAlgorithm  SEQUENCE { id-ecPublicKey, namedCurve },
//   privateKey           OCTET STRING,      -- ECPrivateKey
//   attributes           [0] IMPLICIT Attributes OPTIONAL }  -- refused
std::optional<EcPrivateKeyInfo> ParsePkcs8(BytesView der) {
  DerReader reader(der);
  DerReader body = reader.Nested(kDerSequence);
  const BytesView version = body.Unsigned();
  DerReader algorithm = body.Nested(kDerSequence);
  const BytesView type = algorithm.Element(kDerOid);
  const auto curve = CurveOfOid(algorithm.Element(kDerOid));
  const BytesView key = body.Element(kDerOctetString);
  if (!reader.Finished() || !body.Finished() || !algorithm.Finished() ||
      !version.empty() || type != kEcPublicKeyOid || !curve) {
    return std::nullopt;
  }
  return Parse(key, curve);
}

}  // namespace kms::crypto
