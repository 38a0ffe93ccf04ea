#include "policy/verifier/anchor_file.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_replace.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"

namespace kms::policy {
namespace {

// The generator of P-256 (FIPS 186-5's SP 800-186, section 3.2.1.3): a public
// point that nobody can take for a key.
constexpr absl::string_view kJwk =
    R"({"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",)"
    R"("y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"})";

absl::Status Parse(absl::string_view file) {
  return ParseAnchorFile(AsBytes(file)).status();
}

TEST(AnchorFileTest, ReadsOneKeyInEachForm) {
  const auto jwk = ParseAnchorFile(AsBytes(kJwk));
  ASSERT_TRUE(jwk.ok()) << jwk.status();
  EXPECT_EQ(jwk->key.kind(), crypto::KeyKind::kP256);
  EXPECT_FALSE(jwk->certificate.has_value());
  const std::string& spki = jwk->key.spki();
  const auto der = ParseAnchorFile(AsBytes(spki));
  ASSERT_TRUE(der.ok()) << der.status();
  EXPECT_EQ(der->key, jwk->key);
  const auto pem =
      ParseAnchorFile(AsBytes(x509::ToPem(AsBytes(spki), "PUBLIC KEY")));
  ASSERT_TRUE(pem.ok()) << pem.status();
  EXPECT_EQ(pem->key, jwk->key);
}

TEST(AnchorFileTest, ReadsOneCertificate) {
  const x509::IssuerKey key = x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  x509::CertificateSpec spec;
  spec.issuer = spec.subject = x509::MakeName({{"2.5.4.3", "root"}});
  spec.not_before = absl::UnixEpoch();
  spec.not_after = absl::UnixEpoch() + absl::Hours(1);
  spec.spki = key.Spki();
  spec.scheme = x509::SignatureScheme::kEcdsaSha256;
  const std::string pem =
      x509::ToPem(AsBytes(x509::IssueCertificate(spec, key)), "CERTIFICATE");
  const auto anchor = ParseAnchorFile(AsBytes(pem));
  ASSERT_TRUE(anchor.ok()) << anchor.status();
  EXPECT_EQ(anchor->key.spki(), key.Spki());
  ASSERT_TRUE(anchor->certificate.has_value());
  EXPECT_EQ(anchor->certificate->public_key(), anchor->key);
  EXPECT_FALSE(Parse(pem + pem).ok());
}

TEST(AnchorFileTest, RejectsWhatIsNotOneKey) {
  EXPECT_FALSE(Parse("").ok());
  EXPECT_FALSE(Parse("{").ok());
  EXPECT_FALSE(Parse("[]").ok());
  EXPECT_FALSE(Parse(std::string(20000, '[')).ok());
  EXPECT_FALSE(Parse(std::string(10000, '{')).ok());
  for (const auto& [from, to] : {std::pair{"P-256", "P-521"},
                                 {"P-256", "P-384"},
                                 {"EC", "RSA"},
                                 {"axfR", "axfS"},
                                 {"\"x\"", "\"z\""},
                                 {"\"P-256\"", "256"},
                                 {"}", "} {}"}}) {
    EXPECT_FALSE(Parse(absl::StrReplaceAll(kJwk, {{from, to}})).ok()) << from;
  }
  // The same point, cut in another place.
  EXPECT_FALSE(Parse(R"({"kty":"EC","crv":"P-256",)"
                     R"("x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP",)"
                     R"("y":"40Li_hp_m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q"})")
                   .ok());
  const auto key = ParseAnchorFile(AsBytes(kJwk));
  const std::string pem = x509::ToPem(AsBytes(key->key.spki()), "PUBLIC KEY");
  EXPECT_FALSE(Parse(pem + pem).ok());
  EXPECT_TRUE(Parse(pem + std::string(100, '\n')).ok());
  EXPECT_FALSE(Parse(pem + std::string(16 * 1024, '\n')).ok());
  EXPECT_FALSE(Parse(key->key.spki() + "x").ok());
}

}  // namespace
}  // namespace kms::policy
