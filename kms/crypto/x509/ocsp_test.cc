// What OCSP responses may lie about: each is right in all but one thing.
#include "kms/crypto/x509/ocsp.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/issue_ocsp.h"

namespace kms::x509 {
namespace {

constexpr SignatureScheme kSchemes[] = {SignatureScheme::kEcdsaSha384};
constexpr char kOcspSigning[] = "1.3.6.1.5.5.7.3.9";
const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(240);
const absl::Time kUntil = kNow + absl::Hours(12);

using Change = std::function<void(CertificateSpec&)>;

Certificate Make(const std::string& subject, const IssuerKey& key,
                 const std::string& issuer, const IssuerKey& issuer_key,
                 const Change& change) {
  CertificateSpec spec;
  spec.serial = subject;
  spec.subject = MakeName({{"2.5.4.3", subject}});
  spec.issuer = MakeName({{"2.5.4.3", issuer}});
  spec.not_before = kStart;
  spec.not_after = kStart + absl::Hours(24 * 365);
  spec.spki = key.Spki();
  spec.scheme = SignatureScheme::kEcdsaSha384;
  change(spec);
  return *Certificate::Parse(AsBytes(IssueCertificate(spec, issuer_key)));
}

void MakeCa(CertificateSpec& spec) {
  spec.extensions = {MakeBasicConstraints(true, std::nullopt),
                     MakeKeyUsage(kKeyUsageCertSign)};
}
void MakeLeaf(CertificateSpec& spec) {
  spec.extensions = {MakeKeyUsage(kKeyUsageDigitalSignature)};
}
void MakeDelegate(CertificateSpec& spec) {
  spec.extensions = {MakeKeyUsage(kKeyUsageDigitalSignature),
                     MakeExtendedKeyUsage({kOcspSigning})};
}

struct World {
  IssuerKey ca_key = IssuerKey::GenerateEc(crypto::Curve::kP384);
  IssuerKey other_key = IssuerKey::GenerateEc(crypto::Curve::kP384);
  IssuerKey leaf_key = IssuerKey::GenerateEc(crypto::Curve::kP384);
  IssuerKey delegate_key = IssuerKey::GenerateEc(crypto::Curve::kP384);
  Certificate ca = Make("ca", ca_key, "ca", ca_key, MakeCa);
  Certificate other = Make("other", other_key, "other", other_key, MakeCa);
  Certificate leaf = Make("leaf", leaf_key, "ca", ca_key, MakeLeaf);
  Certificate delegate =
      Make("delegate", delegate_key, "ca", ca_key, MakeDelegate);

  OcspSpec Spec() const {
    return {.issuer = ca,
            .serial = leaf.serial(),
            .this_update = kNow - absl::Hours(12),
            .next_update = kUntil,
            .responder = delegate};
  }
  Certificate Delegate(const Change& change) const {
    return Make("delegate", delegate_key, "ca", ca_key,
                [&](CertificateSpec& spec) {
                  MakeDelegate(spec);
                  change(spec);
                });
  }
};

const World& W() {
  static const auto* const kWorld = new World();
  return *kWorld;
}

absl::StatusOr<OcspAnswer> Ask(const std::vector<std::string>& files,
                               absl::Time now = kNow) {
  std::vector<OcspResponse> responses;
  for (const std::string& file : files) {
    auto response = OcspResponse::Parse(AsBytes(file));
    if (!response.ok()) return response.status();
    responses.push_back(*std::move(response));
  }
  return FindOcspAnswer(W().leaf, W().ca, responses, now, kSchemes);
}

std::string Issue(const std::function<void(OcspSpec&)>& change,
                  const IssuerKey& key = W().delegate_key) {
  OcspSpec spec = W().Spec();
  change(spec);
  return IssueOcspResponse(spec, key);
}
void Same(OcspSpec&) {}

// The verdict on a response of that sort; UNSPECIFIED if it is a good answer.
v1::RefusalCode Judge(const std::function<void(OcspSpec&)>& change,
                      const IssuerKey& key = W().delegate_key) {
  const auto answer = Ask({Issue(change, key)});
  EXPECT_TRUE(!answer.ok() || answer->response.has_value());
  return RefusalOf(answer.status());
}

// True if the response counts for nothing.
bool Ignored(const std::function<void(OcspSpec&)>& change) {
  const auto answer = Ask({Issue(change)});
  return answer.ok() && !answer->response.has_value();
}

TEST(OcspTest, TakesAnAnswerOfTheIssuerOrItsDelegate) {
  const auto answer = Ask({Issue(Same)});
  ASSERT_TRUE(answer.ok()) << answer.status();
  ASSERT_EQ(answer->response, 0u);
  EXPECT_EQ(answer->valid_from, kNow - absl::Hours(12));
  EXPECT_EQ(answer->valid_until, kUntil);
  EXPECT_EQ(Judge([](OcspSpec& s) { s.responder = W().ca; }, W().ca_key),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Judge([](OcspSpec& s) { s.hash = crypto::Hash::kSha256; }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_FALSE(Ask({}).value().response.has_value());
}

TEST(OcspTest, HasItsTime) {
  const std::string response = Issue(Same);
  for (absl::Time now : {kNow - absl::Hours(12), kUntil}) {
    EXPECT_TRUE(Ask({response}, now).value().response.has_value());
  }
  for (absl::Time now :
       {kNow - absl::Hours(12) - absl::Seconds(1), kUntil + absl::Seconds(1)}) {
    EXPECT_FALSE(Ask({response}, now).value().response.has_value());
  }
  EXPECT_EQ(Judge([](OcspSpec& s) { s.next_update.reset(); }), v1::CRL_INVALID);
  // That there is no answer has its time too.
  const absl::Duration step = absl::Nanoseconds(1);
  EXPECT_EQ(Ask({response}, kStart)->valid_from, absl::InfinitePast());
  EXPECT_EQ(Ask({response}, kStart)->valid_until,
            kNow - absl::Hours(12) - step);
  EXPECT_EQ(Ask({response}, kUntil + absl::Hours(1))->valid_from,
            kUntil + step);
  EXPECT_EQ(Ask({response}, kUntil + absl::Hours(1))->valid_until,
            absl::InfiniteFuture());
  // No longer than the delegate's certificate.
  const auto answer = Ask({Issue([](OcspSpec& s) {
    s.responder = W().Delegate(
        [](CertificateSpec& spec) { spec.not_after = kNow + absl::Hours(1); });
  })});
  EXPECT_EQ(answer->valid_until, kNow + absl::Hours(1));
}

TEST(OcspTest, RefusesWhatIsNotGood) {
  EXPECT_EQ(Judge([](OcspSpec& s) { s.status = OcspRevoked(kStart, 1); }),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(Judge([](OcspSpec& s) { s.status = OcspRevoked(kStart, 6); }),
            v1::CERTIFICATE_REVOKED);  // On hold.
  EXPECT_EQ(Judge([](OcspSpec& s) { s.status = OcspUnknown(); }),
            v1::CERTIFICATE_REVOKED);
  // A good answer beside it helps nothing.
  const std::string revoked =
      Issue([](OcspSpec& s) { s.status = OcspRevoked(kStart, 1); });
  EXPECT_EQ(RefusalOf(Ask({Issue(Same), revoked}).status()),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(RefusalOf(Ask({revoked, Issue(Same)}).status()),
            v1::CERTIFICATE_REVOKED);
}

TEST(OcspTest, AnAnswerAboutAnotherCertificateCountsForNothing) {
  EXPECT_TRUE(Ignored([](OcspSpec& s) { s.serial = "leaf2"; }));
  EXPECT_TRUE(Ignored([](OcspSpec& s) { s.issuer = W().other; }));
  // Neither the issuer's name alone nor its key alone.
  EXPECT_TRUE(Ignored([](OcspSpec& s) {
    s.issuer = Make("other", W().ca_key, "other", W().ca_key, MakeCa);
  }));
  EXPECT_TRUE(Ignored([](OcspSpec& s) {
    s.issuer = Make("ca", W().other_key, "ca", W().other_key, MakeCa);
  }));
}

TEST(OcspTest, RefusesOtherSigners) {
  // Another key than the delegate's.
  EXPECT_EQ(Judge(Same, W().other_key), v1::CRL_INVALID);
  // Somebody whom another CA certified, or who certified himself.
  EXPECT_EQ(Judge([](OcspSpec& s) {
              s.responder = Make("delegate", W().delegate_key, "ca",
                                 W().other_key, MakeDelegate);
            }),
            v1::CRL_INVALID);
  EXPECT_EQ(Judge([](OcspSpec& s) {
              s.responder = Make("delegate", W().delegate_key, "other",
                                 W().ca_key, MakeDelegate);
            }),
            v1::CRL_INVALID);
  // The certificate in question itself, which its issuer certified too.
  EXPECT_EQ(Judge([](OcspSpec& s) { s.responder = W().leaf; }, W().leaf_key),
            v1::CRL_INVALID);
}

TEST(OcspTest, RefusesDelegatesWithoutAMandate) {
  const auto judge = [](const Change& change) {
    return Judge([&](OcspSpec& s) { s.responder = W().Delegate(change); });
  };
  EXPECT_EQ(judge([](CertificateSpec&) {}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge([](CertificateSpec& s) { s.extensions.pop_back(); }),
            v1::CRL_INVALID);
  for (const std::string purpose : {"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"}) {
    EXPECT_EQ(judge([&](CertificateSpec& s) {
                s.extensions.back() = MakeExtendedKeyUsage({purpose});
              }),
              v1::CRL_INVALID);
  }
  EXPECT_EQ(judge([](CertificateSpec& s) {
              s.extensions[0] = MakeKeyUsage(kKeyUsageCrlSign);
            }),
            v1::CRL_INVALID);
  EXPECT_EQ(judge([](CertificateSpec& s) {
              s.extensions.push_back(MakeBasicConstraints(true, std::nullopt));
            }),
            v1::CRL_INVALID);
  EXPECT_EQ(judge([](CertificateSpec& s) {
              s.extensions.push_back({"1.2.3.4", true, "\5"});
            }),
            v1::CRL_INVALID);
  EXPECT_EQ(
      judge([](CertificateSpec& s) { s.not_after = kNow - absl::Seconds(1); }),
      v1::CRL_INVALID);
  EXPECT_EQ(
      judge([](CertificateSpec& s) { s.not_before = kNow + absl::Seconds(1); }),
      v1::CRL_INVALID);
}

TEST(OcspTest, RefusesAlgorithmsThatAreNotAccepted) {
  EXPECT_EQ(
      Judge([](OcspSpec& s) { s.scheme = SignatureScheme::kEcdsaSha256; }),
      v1::CRL_INVALID);
  EXPECT_EQ(Judge([](OcspSpec& s) {
              s.responder = W().Delegate([](CertificateSpec& spec) {
                spec.scheme = SignatureScheme::kEcdsaSha256;
              });
            }),
            v1::CRL_INVALID);
}

TEST(OcspTest, RefusesWhatDoesNotParse) {
  const std::string good = Issue(Same);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(RefusalOf(Ask({good.substr(0, size)}).status()),
              v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(RefusalOf(Ask({good + "x"}).status()), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(RefusalOf(Ask({std::string(1 << 20, '0')}).status()),
            v1::ENDORSEMENT_MALFORMED);
  // tryLater, which nobody signs.
  EXPECT_EQ(RefusalOf(Ask({std::string("\x30\3\x0a\1\3", 5)}).status()),
            v1::ENDORSEMENT_MALFORMED);
  const auto extension = [](bool critical) {
    return DerEncode(
        kDerSequence,
        DerEncode(kDerSequence, DerOid("1.2.3.4") +
                                    (critical ? DerBoolean(true) : "") +
                                    DerEncode(kDerOctetString, "x")));
  };
  EXPECT_EQ(Judge([&](OcspSpec& s) { s.extensions = extension(false); }),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Judge([&](OcspSpec& s) { s.extensions = extension(true); }),
            v1::ENDORSEMENT_MALFORMED);
}

// No bit of a response is free: a flip is refused, or it makes the answer one
// about something else, or of no time.
TEST(OcspTest, NoFlippedBitGivesAnAnswer) {
  const std::string good = Issue(Same);
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string lie = good;
    lie[bit / 8] = static_cast<char>(lie[bit / 8] ^ 1 << bit % 8);
    const auto answer = Ask({lie});
    ASSERT_TRUE(!answer.ok() || !answer->response.has_value()) << "bit " << bit;
  }
}

}  // namespace
}  // namespace kms::x509
