#include "policy/tpm/signature.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/ecdsa_signature.h"
#include "kms/crypto/x509/der.h"
#include "policy/tpm/algorithm.h"

namespace kms::tpm {
namespace {

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("tpm signature: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat("tpm signature: ", fault));
}
absl::Status Mismatch() {
  return absl::UnauthenticatedError("tpm signature: does not verify");
}

std::optional<crypto::Curve> CurveOf(const crypto::PublicKey& key) {
  if (key.kind() == crypto::KeyKind::kP256) return crypto::Curve::kP256;
  if (key.kind() == crypto::KeyKind::kP384) return crypto::Curve::kP384;
  return std::nullopt;
}

size_t ModulusBytes(const crypto::PublicKey& key) {
  bool failed = false;
  x509::DerReader reader(key.key_bytes(), &failed);
  return reader.Enter(x509::kDerSequence).Unsigned(kSignatureBytesMax).size();
}

std::string Sized(ByteReader& reader) {
  return ToString(reader.Bytes(reader.U16Be()));
}

// `number` at its curve's size: a TPM may leave leading zeros out.
std::string Padded(const std::string& number, size_t size) {
  return number.size() >= size
             ? number
             : std::string(size - number.size(), '\0') + number;
}

}  // namespace

absl::StatusOr<Signature> ParseSignature(BytesView bytes) {
  if (bytes.size() > kSignatureBytesMax) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want at most ",
                                  kSignatureBytesMax));
  }
  ByteReader reader(bytes);
  const uint16_t scheme = reader.U16Be();
  const std::optional<crypto::Hash> hash = HashOf(reader.U16Be());
  if (reader.failed()) return Malformed("too short");
  if (scheme != kAlgRsaSsa && scheme != kAlgRsaPss && scheme != kAlgEcdsa) {
    return Unsupported("neither RSASSA, RSAPSS nor ECDSA");
  }
  if (!hash.has_value()) return Unsupported("a hash that is not SHA-2");
  Signature signature;
  signature.scheme = static_cast<Scheme>(scheme);
  signature.hash = *hash;
  if (signature.scheme == Scheme::kEcdsa) {
    signature.r = Sized(reader);
    signature.s = Sized(reader);
  } else {
    signature.rsa = Sized(reader);
  }
  if (!reader.Finish("").ok()) return Malformed("of another length");
  return signature;
}

std::string SerializeSignature(const Signature& signature) {
  ByteWriter out;
  const auto sized = [&out](const std::string& bytes) {
    out.U16Be(static_cast<uint16_t>(bytes.size())).Bytes(bytes);
  };
  out.U16Be(static_cast<uint16_t>(signature.scheme));
  out.U16Be(AlgorithmOf(signature.hash));
  if (signature.scheme == Scheme::kEcdsa) {
    sized(signature.r);
    sized(signature.s);
  } else {
    sized(signature.rsa);
  }
  return out.Take();
}

absl::StatusOr<Signature> ParseSignatureFile(BytesView file,
                                             const crypto::PublicKey& key,
                                             Scheme rsa_scheme,
                                             crypto::Hash hash) {
  const std::optional<crypto::Curve> curve = CurveOf(key);
  if (!curve.has_value()) {
    if (file.size() != ModulusBytes(key)) return ParseSignature(file);
    Signature signature;
    signature.scheme = rsa_scheme;
    signature.hash = hash;
    signature.rsa = ToString(file);
    return signature;
  }
  if (file.empty() || file[0] != x509::kDerSequence) {
    return ParseSignature(file);
  }
  const absl::StatusOr<std::string> raw = crypto::EcdsaDerToRaw(*curve, file);
  if (!raw.ok()) return Malformed("ECDSA, but neither TPMT_SIGNATURE nor DER");
  Signature signature;
  signature.scheme = Scheme::kEcdsa;
  signature.hash = hash;
  signature.r = raw->substr(0, raw->size() / 2);
  signature.s = raw->substr(raw->size() / 2);
  return signature;
}

absl::Status VerifySignature(const crypto::PublicKey& key,
                             const Signature& signature, BytesView message) {
  switch (signature.scheme) {
    case Scheme::kEcdsa: {
      const std::optional<crypto::Curve> curve = CurveOf(key);
      if (!curve.has_value()) return Mismatch();
      const size_t size = crypto::CurveFieldSize(*curve);
      return key.VerifyEcdsaRaw(signature.hash, message,
                                AsBytes(Padded(signature.r, size)),
                                AsBytes(Padded(signature.s, size)));
    }
    case Scheme::kRsaSsa:
      return key.VerifyRsaPkcs1(signature.hash, message,
                                AsBytes(signature.rsa));
    case Scheme::kRsaPss: {
      // Part 1, B.7: the salt is the longest that fits, or in a TPM of FIPS
      // 186's rules as long as the hash.
      const size_t hash_size = crypto::HashSize(signature.hash);
      if (key.VerifyRsaPss(signature.hash, hash_size, message,
                           AsBytes(signature.rsa))
              .ok()) {
        return absl::OkStatus();
      }
      if (signature.rsa.size() < hash_size + 2) return Mismatch();
      return key.VerifyRsaPss(signature.hash,
                              signature.rsa.size() - hash_size - 2, message,
                              AsBytes(signature.rsa));
    }
  }
  return Mismatch();
}

}  // namespace kms::tpm
