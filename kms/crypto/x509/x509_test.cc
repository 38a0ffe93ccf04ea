// Certificates, CRLs and chains that lie in one way each.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/crypto/x509/chain.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"

namespace kms::x509 {
namespace {

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2060, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);
constexpr SignatureScheme kSchemes[] = {SignatureScheme::kEcdsaSha384};

// One key for each role; every test issues its own certificates.
const IssuerKey& Key(const std::string& role) {
  static auto* const keys = new std::map<std::string, IssuerKey>();
  auto found = keys->find(role);
  if (found == keys->end()) {
    found =
        keys->emplace(role, IssuerKey::GenerateEc(crypto::Curve::kP384)).first;
  }
  return found->second;
}

std::string Name(const std::string& name) {
  return MakeName({{"2.5.4.3", name}});
}

CertificateSpec Spec(const std::string& subject, const std::string& issuer) {
  CertificateSpec spec;
  spec.subject = Name(subject);
  spec.issuer = Name(issuer);
  spec.not_before = kStart;
  spec.not_after = kEnd;
  spec.spki = Key(subject).Spki();
  spec.scheme = SignatureScheme::kEcdsaSha384;
  if (subject != "leaf") {
    spec.extensions = {MakeBasicConstraints(true, std::nullopt),
                       MakeKeyUsage(kKeyUsageCertSign | kKeyUsageCrlSign)};
  }
  return spec;
}

using Change = std::function<void(CertificateSpec&)>;
void Same(CertificateSpec&) {}

std::string Der(const std::string& subject, const std::string& issuer,
                const Change& change = Same) {
  CertificateSpec spec = Spec(subject, issuer);
  change(spec);
  return IssueCertificate(spec, Key(issuer));
}

Certificate Make(const std::string& subject, const std::string& issuer,
                 const Change& change = Same) {
  return *Certificate::Parse(AsBytes(Der(subject, issuer, change)));
}

std::vector<Anchor> RootPin() {
  return {{.spki_sha256 = Make("root", "root").spki_sha256(),
           .certificate = std::nullopt}};
}

absl::StatusOr<VerifiedChain> Verify(const Certificate& leaf,
                                     const std::vector<Certificate>& offered,
                                     const std::vector<Crl>& crls = {},
                                     bool crls_required = false,
                                     absl::Time now = kNow) {
  return VerifyChain(leaf, offered, RootPin(), crls, now,
                     {.schemes = kSchemes, .crls_required = crls_required});
}

v1::RefusalCode Judge(const Certificate& leaf,
                      const std::vector<Certificate>& offered) {
  return RefusalOf(Verify(leaf, offered).status());
}

TEST(ChainTest, AcceptsAnyOrderDuplicatesAndStrangers) {
  const Certificate leaf = Make("leaf", "ca");
  const Certificate ca = Make("ca", "root");
  const Certificate root = Make("root", "root");
  const Certificate stranger = Make("stranger", "stranger");
  for (const std::vector<Certificate>& offered :
       {std::vector<Certificate>{ca, root},
        {root, ca},
        {stranger, root, leaf, ca, ca, root}}) {
    const auto chain = Verify(leaf, offered);
    ASSERT_TRUE(chain.ok()) << chain.status();
    ASSERT_EQ(chain->path.size(), 3u);
    EXPECT_EQ(chain->path[1].sha256(), ca.sha256());
    EXPECT_EQ(chain->anchor, 0u);
    EXPECT_EQ(chain->valid_from, kStart);
    EXPECT_EQ(chain->valid_until, kEnd);
  }
}

TEST(ChainTest, RejectsMissingLinksAndFalseRoots) {
  const Certificate leaf = Make("leaf", "ca");
  const Certificate ca = Make("ca", "root");
  EXPECT_EQ(Judge(leaf, {}), v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(Judge(leaf, {ca}), v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(Judge(leaf, {Make("root", "root")}), v1::ENDORSEMENT_MISSING);
  // Same name, another key.
  const Change other_key = [](CertificateSpec& spec) {
    spec.spki = Key("evil").Spki();
  };
  EXPECT_EQ(Judge(leaf, {ca, Make("root", "root", other_key)}),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Judge(Make("leaf", "evil"), {Make("evil", "evil")}),
            v1::CHAIN_UNTRUSTED);
  // A loop of two that sign each other.
  EXPECT_EQ(Judge(Make("leaf", "a"), {Make("a", "b"), Make("b", "a")}),
            v1::CHAIN_UNTRUSTED);
  // A pinned key as the leaf proves nothing.
  EXPECT_EQ(Judge(Make("root", "root"), {}), v1::CHAIN_UNTRUSTED);
}

TEST(ChainTest, RejectsIssuersThatMayNotIssue) {
  const Certificate leaf = Make("leaf", "ca");
  const Certificate root = Make("root", "root");
  const auto judge_ca = [&](const Change& change) {
    return Judge(leaf, {Make("ca", "root", change), root});
  };
  EXPECT_EQ(judge_ca(Same), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge_ca([](auto& s) { s.extensions.clear(); }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(judge_ca([](auto& s) {
              s.extensions[0] = MakeBasicConstraints(false, std::nullopt);
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(judge_ca([](auto& s) { s.extensions.pop_back(); }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(judge_ca([](auto& s) {
              s.extensions[1] = MakeKeyUsage(kKeyUsageDigitalSignature);
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(judge_ca([](auto& s) {
              s.extensions.push_back({"1.2.3.4", true, "x"});
            }),
            v1::CHAIN_UNTRUSTED);
  // Path length zero with a CA below.
  EXPECT_EQ(Judge(Make("leaf", "ca2"),
                  {Make("ca2", "ca"),
                   Make("ca", "root",
                        [](auto& s) {
                          s.extensions[0] = MakeBasicConstraints(true, 0);
                        }),
                   root}),
            v1::CHAIN_UNTRUSTED);
  // A CA as leaf, and a leaf that may not sign.
  EXPECT_EQ(Judge(Make("ca", "root"), {root}), v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Judge(Make("leaf", "ca",
                       [](auto& s) {
                         s.extensions = {MakeKeyUsage(kKeyUsageCertSign)};
                       }),
                  {Make("ca", "root"), root}),
            v1::CHAIN_UNTRUSTED);
}

TEST(ChainTest, RejectsChainsThatAreTooLong) {
  std::vector<Certificate> offered = {Make("root", "root")};
  std::string issuer = "root";
  for (int i = 0; i < 7; ++i) {
    const std::string name = absl::StrCat("deep", i);
    offered.push_back(Make(name, issuer));
    issuer = name;
  }
  EXPECT_EQ(Judge(Make("leaf", issuer), offered), v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Judge(Make("leaf", "deep4"), offered),
            v1::REFUSAL_CODE_UNSPECIFIED);
  offered.resize(33, offered[0]);
  EXPECT_EQ(Judge(Make("leaf", "deep4"), offered), v1::REQUEST_TOO_LARGE);
}

// What a sender makes us compute is bounded, whatever he offers.
TEST(ChainTest, RejectsSearchesThatCheckTooManySignatures) {
  const Certificate leaf = Make("leaf", "ca");
  std::vector<Certificate> offered;
  for (int i = 0; i < 15; ++i) {  // Named as the issuer, with other keys.
    offered.push_back(Make("ca", "root", [&](auto& s) {
      s.spki = Key("evil").Spki();
      s.serial = std::string(1, static_cast<char>('A' + i));
    }));
  }
  offered.push_back(Make("ca", "root"));
  EXPECT_EQ(Judge(leaf, offered), v1::ENDORSEMENT_MISSING);  // The root.
  offered.push_back(Make("root", "root"));
  EXPECT_EQ(Judge(leaf, offered), v1::REQUEST_TOO_LARGE);
  offered.erase(offered.begin());
  EXPECT_EQ(Judge(leaf, offered), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST(ChainTest, RejectsAlgorithmsOutsideTheRules) {
  const Certificate leaf = Make("leaf", "root", [](auto& s) {
    s.scheme = SignatureScheme::kEcdsaSha256;
  });
  EXPECT_EQ(Judge(leaf, {Make("root", "root")}), v1::CHAIN_UNTRUSTED);
}

TEST(ChainTest, HoldsEachCertificateToItsTime) {
  const Certificate root = Make("root", "root");
  const Change later = [](auto& s) { s.not_before = kNow + absl::Seconds(1); };
  const Change earlier = [](auto& s) { s.not_after = kNow - absl::Seconds(1); };
  for (const auto& [change, code] :
       {std::pair(later, v1::CERTIFICATE_NOT_YET_VALID),
        std::pair(earlier, v1::CERTIFICATE_EXPIRED)}) {
    EXPECT_EQ(Judge(Make("leaf", "ca", change), {Make("ca", "root"), root}),
              code);
    EXPECT_EQ(Judge(Make("leaf", "ca"), {Make("ca", "root", change), root}),
              code);
    EXPECT_EQ(Judge(Make("leaf", "ca"),
                    {Make("ca", "root"), Make("root", "root", change)}),
              code);
  }
}

Crl MakeCrl(const std::string& issuer, const std::string& signer,
            const std::function<void(CrlSpec&)>& change) {
  CrlSpec spec;
  spec.issuer = Name(issuer);
  spec.this_update = kStart;
  spec.next_update = kNow + absl::Hours(1);
  spec.scheme = SignatureScheme::kEcdsaSha384;
  change(spec);
  return *Crl::Parse(AsBytes(IssueCrl(spec, Key(signer))));
}

TEST(ChainTest, HonoursCrls) {
  const Certificate leaf = Make("leaf", "ca", [](auto& s) { s.serial = "L"; });
  const std::vector<Certificate> offered = {
      Make("ca", "root", [](auto& s) { s.serial = "C"; }),
      Make("root", "root")};
  const auto same = [](CrlSpec&) {};
  const Crl ca_crl = MakeCrl("ca", "ca", same);
  const Crl root_crl = MakeCrl("root", "root", same);
  const auto judge = [&](const std::vector<Crl>& crls, bool required,
                         absl::Time now = kNow) {
    return RefusalOf(Verify(leaf, offered, crls, required, now).status());
  };
  EXPECT_EQ(judge({ca_crl, root_crl}, true), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge({ca_crl}, true), v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(judge({root_crl}, true), v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(
      judge({MakeCrl("ca", "ca", [](auto& c) { c.revoked = {"L"}; })}, false),
      v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge({MakeCrl("root", "root", [](auto& c) { c.revoked = {"C"}; })},
                  false),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(
      judge({MakeCrl("ca", "ca", [](auto& c) { c.revoked = {"C"}; })}, false),
      v1::REFUSAL_CODE_UNSPECIFIED);  // Another issuer's serial.
  EXPECT_EQ(judge({MakeCrl("ca", "evil", same)}, false), v1::CRL_INVALID);
  EXPECT_EQ(judge({MakeCrl("evil", "ca", same)}, false), v1::CRL_INVALID);
  EXPECT_EQ(judge({ca_crl}, false, kNow + absl::Hours(2)), v1::CRL_EXPIRED);
  const auto chain = Verify(leaf, offered, {ca_crl});
  ASSERT_TRUE(chain.ok());
  EXPECT_EQ(chain->valid_until, kNow + absl::Hours(1));
}

v1::RefusalCode JudgeDer(const std::string& der) {
  return RefusalOf(Certificate::Parse(AsBytes(der)).status());
}

TEST(CertificateTest, RejectsWeakOrUnknownKeysAndAlgorithms) {
  const auto with_key = [](const std::string& spki) {
    return JudgeDer(
        Der("leaf", "root", [&](CertificateSpec& s) { s.spki = spki; }));
  };
  EXPECT_EQ(with_key(IssuerKey::GenerateRsa(1024).Spki()),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(with_key(IssuerKey::GenerateRsa(2048).Spki()),
            v1::REFUSAL_CODE_UNSPECIFIED);
  std::string other_curve = Key("leaf").Spki();
  const size_t at = other_curve.find(DerOid("1.3.132.0.34"));
  ASSERT_NE(at, std::string::npos);
  other_curve.replace(at, 7, DerOid("1.3.132.0.10"));
  EXPECT_EQ(with_key(other_curve), v1::ENDORSEMENT_MALFORMED);

  const auto with_algorithm = [](const std::string& algorithm) {
    return JudgeDer(Der("leaf", "root", [&](CertificateSpec& s) {
      s.inner_algorithm = s.outer_algorithm = algorithm;
    }));
  };
  const std::string null = DerEncode(kDerNull, "");
  for (const std::string oid :
       {"1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.10045.4.1",
        "1.2.840.113549.1.1.10", "1.3.101.113"}) {
    EXPECT_EQ(with_algorithm(DerEncode(kDerSequence, DerOid(oid) + null)),
              v1::ENDORSEMENT_MALFORMED)
        << oid;
    EXPECT_EQ(with_algorithm(DerEncode(kDerSequence, DerOid(oid))),
              v1::ENDORSEMENT_MALFORMED)
        << oid;
  }
  std::string pss = MakeAlgorithm(SignatureScheme::kRsaPssSha384);
  EXPECT_EQ(with_algorithm(pss), v1::REFUSAL_CODE_UNSPECIFIED);
  pss.back() = 32;  // The salt's length.
  EXPECT_EQ(with_algorithm(pss), v1::ENDORSEMENT_MALFORMED);
  std::string mixed = MakeAlgorithm(SignatureScheme::kRsaPssSha384);
  const size_t hash = mixed.rfind(DerOid("2.16.840.1.101.3.4.2.2"));
  mixed[hash + 10] = 1;  // MGF1 with another hash.
  EXPECT_EQ(with_algorithm(mixed), v1::ENDORSEMENT_MALFORMED);
}

TEST(CertificateTest, RejectsOtherFormsOfTheSameThing) {
  const std::string good = Der("leaf", "root");
  ASSERT_EQ(JudgeDer(good), v1::REFUSAL_CODE_UNSPECIFIED);
  for (size_t size = 0; size < good.size(); ++size) {
    ASSERT_EQ(JudgeDer(good.substr(0, size)), v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeDer(good + std::string(1, '\0')), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeDer(good + good), v1::ENDORSEMENT_MALFORMED);
  std::string indefinite = good;  // BER: an indefinite length.
  indefinite.replace(0, 4, "\x30\x80");
  EXPECT_EQ(JudgeDer(indefinite + std::string(2, '\0')),
            v1::ENDORSEMENT_MALFORMED);
  std::string long_form = good;  // BER: a length with a leading zero.
  long_form.replace(1, 1, std::string("\x83\x00", 2));
  EXPECT_EQ(JudgeDer(long_form), v1::ENDORSEMENT_MALFORMED);
  for (uint32_t version : {0u, 1u, 3u}) {
    EXPECT_EQ(
        JudgeDer(Der("leaf", "root", [&](auto& s) { s.version = version; })),
        v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeDer(Der("leaf", "root",
                         [](auto& s) {
                           s.outer_algorithm =
                               MakeAlgorithm(SignatureScheme::kEcdsaSha256);
                         })),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(
      JudgeDer(Der(
          "leaf", "root",
          [](auto& s) {
            s.extensions = {{"1.2.3.4", false, "a"}, {"1.2.3.4", false, "a"}};
          })),
      v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(
      JudgeDer(Der(
          "leaf", "root",
          [](auto& s) {
            for (int i = 0; i < 65; ++i) {
              s.extensions.push_back({absl::StrCat("1.2.3.", i), false, "a"});
            }
          })),
      v1::ENDORSEMENT_MALFORMED);
}

// An extension's value is a string to the parser of the certificate, so none
// of its checks have seen what is inside.
TEST(CertificateTest, RejectsIllFormedKnownExtensions) {
  const auto with_value = [](const std::string& oid, const std::string& value) {
    return JudgeDer(Der("leaf", "root", [&](auto& s) {
      s.extensions = {{oid, true, value}};
    }));
  };
  const std::string constraints = "2.5.29.19";
  for (const std::string& value :
       {std::string(), std::string("\x30"),
        std::string("\x30\x02\x01\x05"),          // Truncated BOOLEAN.
        std::string("\x30\x01\x01"),              // Without a length.
        std::string("\x30\x02\x01\x00", 4),       // Empty.
        std::string("\x30\x03\x01\x01\x01", 5),   // Neither 0x00 nor 0xff.
        std::string("\x30\x04\x01\x02\xff\xff"),  // Two bytes.
        std::string("\x30\x03\x02\x01\x05"),      // A path length, not a CA.
        std::string("\x30\x03\x01\x01\xff\x05")}) {
    EXPECT_EQ(with_value(constraints, value), v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(with_value(constraints, "\x30\x03\x01\x01\xff"),
            v1::REFUSAL_CODE_UNSPECIFIED);
  for (const std::string& value :
       {std::string("\x03\x01\x00", 3), std::string("\x03\x02\x08\x04"),
        std::string("\x03\x02\x03\x04"), std::string("\x03\x05\x02\x04"),
        std::string("\x04\x02\x02\x04")}) {
    EXPECT_EQ(with_value("2.5.29.15", value), v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(with_value("2.5.29.15", "\x03\x02\x02\x04"),
            v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST(CertificateTest, ReadsWhatWasWritten) {
  const Certificate ca = Make("ca", "root", [](auto& s) {
    s.serial = std::string("\xff\x01", 2);
    s.extensions[0] = MakeBasicConstraints(true, 3);
    s.not_after = kStart + absl::Hours(24 * 365 * 40);  // GeneralizedTime.
  });
  EXPECT_EQ(ca.SubjectCommonName(), "ca");
  EXPECT_EQ(ca.IssuerText(), "CN=root");
  EXPECT_EQ(ca.serial(), std::string("\xff\x01", 2));
  EXPECT_TRUE(ca.is_ca());
  EXPECT_EQ(ca.path_length(), 3u);
  EXPECT_EQ(ca.key_usage(), kKeyUsageCertSign | kKeyUsageCrlSign);
  EXPECT_EQ(ca.not_after(), kStart + absl::Hours(24 * 365 * 40));
  EXPECT_EQ(ca.scheme(), SignatureScheme::kEcdsaSha384);
}

TEST(PemTest, TakesListsAndNothingElse) {
  const std::string pem = ToPem(AsBytes(Der("ca", "root")), "CERTIFICATE");
  EXPECT_EQ(ParseCertificates(AsBytes("\n" + pem + "\r\n" + pem))->size(), 2u);
  std::string many;
  for (int i = 0; i < 17; ++i) many += pem;
  for (const std::string& bad :
       {pem + "x", "x" + pem, pem.substr(0, pem.size() - 2), many,
        ToPem(AsBytes(Der("ca", "root")), "X509 CRL"), std::string()}) {
    EXPECT_EQ(RefusalOf(ParseCertificates(AsBytes(bad)).status()),
              v1::ENDORSEMENT_MALFORMED);
  }
}

}  // namespace
}  // namespace kms::x509
