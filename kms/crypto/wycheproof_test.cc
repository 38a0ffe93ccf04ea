// Agreement with Project Wycheproof on every primitive that it covers.
// Where a file calls a case "acceptable", the decision is in its test.
#include "kms/crypto/wycheproof.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/aead.h"
#include "kms/crypto/ecdh.h"
#include "kms/crypto/hkdf.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/public_key.h"

namespace kms::crypto {
namespace {

using wycheproof::Bytes;
using wycheproof::HasFlag;
using wycheproof::Json;
using wycheproof::RunFile;

bool Everything(const Json&) { return true; }

Secret SecretOf(absl::string_view bytes) {
  return Secret::CopyOf(AsBytes(bytes), GrantSecretAccess()).value();
}

bool Equals(const Secret& secret, absl::string_view want) {
  return AsStringView(secret.Expose(GrantSecretAccess())) == want;
}

std::optional<Hash> HashOf(const std::string& name) {
  if (name == "SHA-256") return Hash::kSha256;
  if (name == "SHA-384") return Hash::kSha384;
  if (name == "SHA-512") return Hash::kSha512;
  return std::nullopt;
}

// Verification has two answers, and no third that a test would miss.
bool Verified(const absl::Status& status) {
  EXPECT_TRUE(status.ok() || absl::IsUnauthenticated(status)) << status;
  return status.ok();
}

PublicKey KeyOf(const Json& group) {
  return PublicKey::FromSpki(AsBytes(Bytes(group, "publicKeyDer"))).value();
}

TEST(Wycheproof, Aes256Gcm) {
  RunFile(
      "aes_gcm_test.json",
      [](const Json& group) {
        return group.at("keySize") == 256 && group.at("ivSize") == 96 &&
               group.at("tagSize") == 128;
      },
      [](const Json&, const Json& test) {
        const auto aead = Aes256Gcm::Create(SecretOf(Bytes(test, "key")));
        const std::string nonce = Bytes(test, "iv");
        const std::string aad = Bytes(test, "aad");
        const std::string message = Bytes(test, "msg");
        const std::string sealed = Bytes(test, "ct") + Bytes(test, "tag");
        const auto opened =
            aead->Open(AsBytes(nonce), AsBytes(sealed), AsBytes(aad));
        if (!Verified(opened.status())) return false;
        const auto resealed =
            aead->Seal(AsBytes(nonce), AsBytes(message), AsBytes(aad));
        return *opened == message && *resealed == sealed;
      });
}

void RunEcdsa(const char* file) {
  RunFile(file, Everything, [](const Json& group, const Json& test) {
    return Verified(KeyOf(group).VerifyEcdsa(*HashOf(group.at("sha")),
                                             AsBytes(Bytes(test, "msg")),
                                             AsBytes(Bytes(test, "sig"))));
  });
}

TEST(Wycheproof, EcdsaDer) {
  RunEcdsa("ecdsa_secp256r1_sha256_test.json");
  RunEcdsa("ecdsa_secp384r1_sha256_test.json");
  RunEcdsa("ecdsa_secp384r1_sha384_test.json");
}

void RunEcdsaRaw(const char* file) {
  RunFile(file, Everything, [](const Json& group, const Json& test) {
    // A caller cuts a fixed-width field in two; other lengths cannot be cut.
    const std::string signature = Bytes(test, "sig");
    if (signature.size() % 2 != 0) return false;
    const std::string r = signature.substr(0, signature.size() / 2);
    const std::string s = signature.substr(signature.size() / 2);
    return Verified(KeyOf(group).VerifyEcdsaRaw(*HashOf(group.at("sha")),
                                                AsBytes(Bytes(test, "msg")),
                                                AsBytes(r), AsBytes(s)));
  });
}

TEST(Wycheproof, EcdsaRaw) {
  RunEcdsaRaw("ecdsa_secp256r1_sha256_p1363_test.json");
  RunEcdsaRaw("ecdsa_secp384r1_sha384_p1363_test.json");
}

TEST(Wycheproof, Ed25519) {
  RunFile("ed25519_test.json", Everything,
          [](const Json& group, const Json& test) {
            return Verified(KeyOf(group).VerifyEd25519(
                AsBytes(Bytes(test, "msg")), AsBytes(Bytes(test, "sig"))));
          });
}

// Whatever has another hash for MGF1, or a hash we do not have, is outside.
void RunRsaPss(const char* file) {
  RunFile(
      file,
      [](const Json& group) {
        return group.at("sha") == group.at("mgfSha") &&
               HashOf(group.at("sha")).has_value();
      },
      [](const Json& group, const Json& test) {
        return Verified(KeyOf(group).VerifyRsaPss(
            *HashOf(group.at("sha")), group.at("sLen").get<size_t>(),
            AsBytes(Bytes(test, "msg")), AsBytes(Bytes(test, "sig"))));
      });
}

TEST(Wycheproof, RsaPss) {
  RunRsaPss("rsa_pss_2048_sha256_mgf1_32_test.json");
  RunRsaPss("rsa_pss_3072_sha256_mgf1_32_test.json");
  RunRsaPss("rsa_pss_4096_sha384_mgf1_48_test.json");
  RunRsaPss("rsa_pss_4096_sha512_mgf1_64_test.json");
  RunRsaPss("rsa_pss_misc_test.json");
}

// Keys with the exponent 3 are refused as keys.
bool HasStrongExponent(const Json& group) {
  const bool strong = Bytes(group.at("publicKey"), "publicExponent") ==
                      std::string("\x01\x00\x01", 3);
  const auto key = PublicKey::FromSpki(AsBytes(Bytes(group, "publicKeyDer")));
  EXPECT_EQ(key.ok(), strong) << key.status();
  return strong;
}

void RunRsaPkcs1(const char* file) {
  RunFile(
      file, HasStrongExponent,
      [](const Json& group, const Json& test) {
        return Verified(KeyOf(group).VerifyRsaPkcs1(
            *HashOf(group.at("sha")), AsBytes(Bytes(test, "msg")),
            AsBytes(Bytes(test, "sig"))));
      },
      [](const Json&, const Json& test) {
        // A DigestInfo without NULL parameters: RFC 8017, section 9.2, note 1
        // leaves it open; one encoding per value, so refused.
        EXPECT_TRUE(HasFlag(test, "MissingNull"));
        return false;
      });
}

TEST(Wycheproof, RsaPkcs1) {
  RunRsaPkcs1("rsa_signature_2048_sha256_test.json");
  RunRsaPkcs1("rsa_signature_4096_sha512_test.json");
}

void RunHkdf(const char* file, Hash hash) {
  RunFile(file, Everything, [hash](const Json&, const Json& test) {
    const auto prk = HkdfExtract(hash, AsBytes(Bytes(test, "salt")),
                                 SecretOf(Bytes(test, "ikm")));
    const auto okm = HkdfExpand(hash, *prk, AsBytes(Bytes(test, "info")),
                                test.at("size").get<size_t>());
    EXPECT_TRUE(okm.ok() || absl::IsInvalidArgument(okm.status()));
    return okm.ok() && Equals(*okm, Bytes(test, "okm"));
  });
}

TEST(Wycheproof, Hkdf) {
  RunHkdf("hkdf_sha256_test.json", Hash::kSha256);
  RunHkdf("hkdf_sha384_test.json", Hash::kSha384);
  RunHkdf("hkdf_sha512_test.json", Hash::kSha512);
}

// Groups with truncated tags compare that many leading bytes.
void RunHmac(const char* file, Hash hash) {
  RunFile(file, Everything, [hash](const Json& group, const Json& test) {
    const auto key =
        HmacKey::Create(hash, AsBytes(Bytes(test, "key")), GrantSecretAccess());
    const std::string message = Bytes(test, "msg");
    const BytesView view = AsBytes(message);
    std::string tag(HashSize(hash), '\0');
    const MdCtxPtr context(EVP_MD_CTX_new());
    key->Compute(
        context.get(), {view},
        absl::MakeSpan(reinterpret_cast<uint8_t*>(tag.data()), tag.size()));
    if (hash == Hash::kSha256) {
      EXPECT_EQ(*HmacSha256(SecretOf(Bytes(test, "key")), view), tag);
    }
    return tag.substr(0, group.at("tagSize").get<size_t>() / 8) ==
           Bytes(test, "tag");
  });
}

TEST(Wycheproof, Hmac) {
  RunHmac("hmac_sha256_test.json", Hash::kSha256);
  RunHmac("hmac_sha384_test.json", Hash::kSha384);
}

TEST(Wycheproof, X25519) {
  RunFile(
      "x25519_test.json", Everything,
      [](const Json&, const Json& test) {
        const Secret scalar = SecretOf(Bytes(test, "private"));
        const std::string peer = Bytes(test, "public");
        const auto shared = X25519(
            scalar, AsBytes(X25519PublicKey(scalar).value()), AsBytes(peer));
        EXPECT_TRUE(shared.ok() || absl::IsInvalidArgument(shared.status()));
        // Nobody needs a scalar to tell which peers will be refused.
        EXPECT_EQ(X25519CheckPeer(AsBytes(peer)).code(),
                  shared.status().code());
        return shared.ok() && Equals(*shared, Bytes(test, "shared"));
      },
      [](const Json&, const Json& test) {
        // RFC 7748, section 5: points on the twist and numbers that are not
        // reduced are to be computed with. Section 6.1: a zero result, which
        // low-order points give, "MAY" be refused; RFC 9180 says must.
        return !HasFlag(test, "ZeroSharedSecret");
      });
}

TEST(Wycheproof, P256Ecdh) {
  RunFile(
      "ecdh_secp256r1_test.json", Everything,
      [](const Json&, const Json& test) {
        const auto peer = PublicKey::FromSpki(AsBytes(Bytes(test, "public")));
        if (!peer.ok() || peer->kind() != KeyKind::kP256) return false;
        // Scalars are written as signed numbers of any length.
        std::string scalar = Bytes(test, "private");
        while (scalar.size() > 32 && scalar[0] == 0) scalar.erase(0, 1);
        if (scalar.size() < 32) scalar.insert(0, 32 - scalar.size(), '\0');
        const auto own = P256PublicKey(SecretOf(scalar));
        if (!own.ok()) return false;
        const auto shared =
            P256Ecdh(SecretOf(scalar), AsBytes(*own), peer->key_bytes());
        EXPECT_TRUE(shared.ok() || absl::IsInvalidArgument(shared.status()));
        return shared.ok() && Equals(*shared, Bytes(test, "shared"));
      },
      [](const Json&, const Json& test) {
        // Compressed points, explicit curve parameters and SPKIs that are not
        // DER: one encoding per value, so refused.
        EXPECT_TRUE(HasFlag(test, "CompressedPoint") ||
                    HasFlag(test, "UnnamedCurve") ||
                    HasFlag(test, "InvalidAsn"));
        return false;
      });
}

}  // namespace
}  // namespace kms::crypto
