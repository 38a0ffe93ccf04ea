// What the PCK chain of Intel Evidence and its CRLs may lie about (rows B and
// D21). Each row is otherwise valid and signed anew, and has one code.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/dcap/platform.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/verifier.h"
#include "tests/conformance/dcap_fixture.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

// B1.
TEST(DcapTest, RejectsARootOfTheSameNameWithAnotherKey) {
  EXPECT_EQ(Code(Good(OtherTdx()), Tdx()), v1::CHAIN_UNTRUSTED);
}

// B2.
TEST(DcapTest, RejectsAnAnchorOfAnotherType) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good(Tdx());
  policy::TrustAnchor anchor = Tdx().Anchor();
  anchor.type = v1::SGX;
  const policy::TrustAnchors anchors = Anchors({anchor});
  EXPECT_EQ(
      RefusalOf(policy::VerifyBundle(bundle, {.now = kNow, .anchors = anchors})
                    .status()),
      v1::CHAIN_UNTRUSTED);
}

// B3, B4.
TEST(DcapTest, HoldsThePckChainToItsRoles) {
  const std::string pck = Tdx().pck().der();
  const std::string ca = Tdx().pck_ca().der();
  const std::string root = Tdx().root().der();
  EXPECT_EQ(JudgeChain({pck, ca, root}), kAccepted);
  EXPECT_EQ(JudgeChain({pck, root, ca}), kAccepted);
  EXPECT_EQ(JudgeChain({pck, ca, ca, root, Tdx().tcb_signing().der()}),
            kAccepted);
  EXPECT_EQ(JudgeChain({pck, ca}), kAccepted);  // The anchor is configured.
  EXPECT_EQ(JudgeChain({pck, root}), v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(JudgeChain({}), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeChain({ca, pck, root}), v1::CHAIN_UNTRUSTED);  // No leaf.
  EXPECT_EQ(JudgeChain({Tdx().tcb_signing().der(), root}), v1::CRL_INVALID);
  EXPECT_EQ(JudgePck([](auto&) {}), kAccepted);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.subject = x509::MakeName({{"2.5.4.3", "PCK"}});
            }),
            v1::ENDORSEMENT_MISMATCH);
  // B10, in kind.
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.scheme = x509::SignatureScheme::kEcdsaSha384;
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.extensions[2] = x509::MakeKeyUsage(x509::kKeyUsageCertSign);
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.extensions[3] = x509::MakeBasicConstraints(true, 0);
            }),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.extensions.back().critical = true;
            }),
            v1::CHAIN_UNTRUSTED);
}

// A PCK straight under the root, whose list then covers all CAs.
TEST(DcapTest, RejectsAPckWithoutAPckCa) {
  x509::CertificateSpec spec = Tdx().PckSpec();
  spec.issuer = Tdx().root().subject_der();
  spec.extensions[1] = Tdx().PckCaSpec().extensions[1];
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.pck_chain = x509::ToPem(
      AsBytes(x509::IssueCertificate(spec, Tdx().root_key())), kPem);
  v1::Evidence evidence = Tdx().Wrap(SerializeQuote(quote));
  *FileOf(evidence, "pck_crl") = Tdx().RootCaCrl();
  EXPECT_EQ(Code(evidence, Tdx()), v1::ENDORSEMENT_MISMATCH);
}

// The CA and the root issued anew under other names, and their CRLs.
v1::RefusalCode JudgeCaNames(const std::string& ca_name,
                             const std::string& root_name) {
  x509::CertificateSpec root = Tdx().RootSpec();
  root.issuer = root.subject = x509::MakeName({{"2.5.4.3", root_name}});
  x509::CertificateSpec ca = Tdx().PckCaSpec();
  ca.issuer = root.subject;
  ca.subject = x509::MakeName({{"2.5.4.3", ca_name}});
  x509::CertificateSpec pck = Tdx().PckSpec();
  pck.issuer = ca.subject;
  x509::CertificateSpec signing = Tdx().TcbSigningSpec();
  signing.issuer = root.subject;
  const auto pem = [](const x509::CertificateSpec& spec,
                      const x509::IssuerKey& key) {
    return x509::ToPem(AsBytes(x509::IssueCertificate(spec, key)), kPem);
  };
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  const std::string root_pem = pem(root, Tdx().root_key());
  quote.pck_chain =
      pem(pck, Tdx().pck_ca_key()) + pem(ca, Tdx().root_key()) + root_pem;
  x509::CrlSpec pck_crl = Tdx().PckCrlSpec();
  pck_crl.issuer = ca.subject;
  x509::CrlSpec root_crl = Tdx().RootCaCrlSpec();
  root_crl.issuer = root.subject;
  v1::Evidence evidence = Tdx().Wrap(SerializeQuote(quote));
  *FileOf(evidence, "pck_crl") = x509::IssueCrl(pck_crl, Tdx().pck_ca_key());
  *FileOf(evidence, "root_ca_crl") = x509::IssueCrl(root_crl, Tdx().root_key());
  const std::string signer = pem(signing, Tdx().root_key()) + root_pem;
  *FileOf(evidence, "tcb_info_issuer_chain") = signer;
  *FileOf(evidence, "qe_identity_issuer_chain") = signer;
  return Code(evidence, Tdx());
}

TEST(DcapTest, HoldsTheCasToTheirNames) {
  const std::string root(kRootCaName);
  EXPECT_EQ(JudgeCaNames(std::string(kPlatformCaName), root), kAccepted);
  EXPECT_EQ(JudgeCaNames(std::string(kProcessorCaName), root), kAccepted);
  EXPECT_EQ(JudgeCaNames("Intel SGX PCK Other CA", root),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeCaNames(std::string(kPlatformCaName), "Some Root"),
            v1::ENDORSEMENT_MISMATCH);
}

// A CA between the PCK CA and the root, each with its CRL but for the new one.
TEST(DcapTest, RejectsALongerPckChain) {
  const x509::IssuerKey key = x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  x509::CertificateSpec between = Tdx().PckCaSpec();
  between.spki = key.Spki();
  between.extensions[0].value =
      x509::DerEncode(x509::kDerOctetString, "between");
  between.subject = x509::MakeName({{"2.5.4.3", "Between"}});
  between.extensions.back() = x509::MakeBasicConstraints(true, 1);
  x509::CertificateSpec ca = Tdx().PckCaSpec();
  ca.issuer = between.subject;
  ca.extensions[1] = {.oid = "2.5.29.35",
                      .critical = false,
                      .value = x509::DerEncode(x509::kDerSequence, "")};
  EXPECT_EQ(JudgeChain({Tdx().pck().der(), x509::IssueCertificate(ca, key),
                        x509::IssueCertificate(between, Tdx().root_key()),
                        Tdx().root().der()}),
            v1::CHAIN_UNTRUSTED);  // The root allows one CA below it.
}

// B5, B6.
struct CrlLie {
  const char* role;
  v1::RefusalCode want;
  std::function<void(x509::CrlSpec&)> change;
};

TEST(DcapTest, HonoursRevocation) {
  const auto judge = [](const std::string& role,
                        const std::function<void(x509::CrlSpec&)>& change) {
    const bool root = role == "root_ca_crl";
    x509::CrlSpec spec = root ? Tdx().RootCaCrlSpec() : Tdx().PckCrlSpec();
    change(spec);
    return JudgeFile(
        Tdx(), role,
        x509::IssueCrl(spec, root ? Tdx().root_key() : Tdx().pck_ca_key()));
  };
  for (const std::string role : {"pck_crl", "root_ca_crl"}) {
    EXPECT_EQ(judge(role, [](auto&) {}), kAccepted);
    EXPECT_EQ(judge(role, [](auto& c) { c.next_update.reset(); }),
              v1::CRL_INVALID);
    EXPECT_EQ(
        judge(role, [](auto& c) { c.next_update = kNow - absl::Hours(1); }),
        v1::CRL_EXPIRED);
    EXPECT_EQ(
        judge(role, [](auto& c) { c.this_update = kNow + absl::Hours(1); }),
        v1::CRL_EXPIRED);
    EXPECT_EQ(judge(role,
                    [](auto& c) {  // A delta list.
                      c.extensions = {{"2.5.29.27", true, x509::DerU32(1)}};
                    }),
              v1::CRL_INVALID);
    v1::Evidence without = Good(Tdx());
    for (int i = 0; i < without.files_size(); ++i) {
      if (without.files(i).role() == role) {
        without.mutable_files()->DeleteSubrange(i, 1);
        break;
      }
    }
    EXPECT_EQ(Code(without, Tdx()), v1::ENDORSEMENT_MISSING);
  }
  // The PCK, its CA, and D24: the TCB signer.
  EXPECT_EQ(judge("pck_crl", [](auto& c) { c.revoked = {"\3"}; }),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge("root_ca_crl", [](auto& c) { c.revoked = {"\2"}; }),
            v1::CERTIFICATE_REVOKED);
  EXPECT_EQ(judge("root_ca_crl", [](auto& c) { c.revoked = {"\4"}; }),
            v1::CERTIFICATE_REVOKED);
}

// B6, B7.
TEST(DcapTest, RejectsCrlsOfOtherIssuers) {
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl",
                      x509::IssueCrl(Tdx().PckCrlSpec(), Tdx().root_key())),
            v1::CRL_INVALID);
  const SimulatedTdx processor =
      SimulatedTdx::Create(Options(TeeKind::kTdx, /*platform_ca=*/false));
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", processor.PckCrl()), v1::CRL_INVALID);
  x509::CrlSpec spec = Tdx().PckCrlSpec();
  spec.issuer = processor.pck_ca().subject_der();
  EXPECT_EQ(
      JudgeFile(Tdx(), "pck_crl", x509::IssueCrl(spec, Tdx().pck_ca_key())),
      v1::CRL_INVALID);
  // The same list twice covers one CA.
  EXPECT_EQ(JudgeFile(Tdx(), "root_ca_crl", Tdx().PckCrl()),
            v1::ENDORSEMENT_MISSING);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", Tdx().RootCaCrl()),
            v1::ENDORSEMENT_MISSING);
}

// D21, B12.
TEST(DcapTest, RejectsIllFormedSgxExtensions) {
  const auto judge = [](const std::string& value) {
    return JudgePck([&](x509::CertificateSpec& spec) {
      spec.extensions.back().value = value;
    });
  };
  const std::string good = simtee::SerializePckExtension(Tdx().pck_extension());
  EXPECT_EQ(judge(good), kAccepted);
  EXPECT_EQ(judge(""), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(judge(good + good), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.extensions.back().oid += ".1";
            }),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgePck([](x509::CertificateSpec& spec) {
              spec.extensions.push_back(spec.extensions.back());
            }),
            v1::ENDORSEMENT_MALFORMED);
  // Each field absent, twice, and before the one before it.
  const auto list = [](const std::vector<std::string>& fields) {
    std::string content;
    for (const std::string& field : fields) content += field;
    return x509::DerEncode(x509::kDerSequence, content);
  };
  const auto split = [](const std::string& sequence) {
    std::vector<std::string> fields;
    bool failed = false;
    x509::DerReader outer(AsBytes(sequence), &failed);
    x509::DerReader inner = outer.Enter(x509::kDerSequence);
    while (inner.More()) fields.push_back(ToString(inner.Any().encoding));
    return fields;
  };
  const std::vector<std::string> fields = split(good);
  ASSERT_EQ(fields.size(), 7u);
  for (size_t i = 0; i < fields.size(); ++i) {
    std::vector<std::string> changed = fields;
    changed.erase(changed.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(judge(list(changed)), v1::ENDORSEMENT_MALFORMED) << i;
    changed = fields;
    changed.insert(changed.begin() + static_cast<ptrdiff_t>(i), fields[i]);
    EXPECT_EQ(judge(list(changed)), v1::ENDORSEMENT_MALFORMED) << i;
    if (i == 0) continue;
    changed = fields;
    std::swap(changed[i], changed[i - 1]);
    EXPECT_EQ(judge(list(changed)), v1::ENDORSEMENT_MALFORMED) << i;
  }
  std::vector<std::string> more = fields;
  more.push_back(x509::DerEncode(
      x509::kDerSequence,
      x509::DerOid("1.2.840.113741.1.13.1.8") + x509::DerBoolean(true)));
  EXPECT_EQ(judge(list(more)), v1::ENDORSEMENT_MALFORMED);
  // An SVN above 255: INTEGER 7 becomes 263, in a copy one byte longer.
  const std::string svn = x509::DerOid("1.2.840.113741.1.13.1.2.1");
  const std::string small =
      x509::DerEncode(x509::kDerSequence, svn + x509::DerU32(7));
  const std::string large =
      x509::DerEncode(x509::kDerSequence, svn + x509::DerU32(263));
  std::vector<std::string> tcb = split(fields[1]);
  ASSERT_EQ(tcb.size(), 2u);
  std::vector<std::string> svns = split(tcb[1]);
  ASSERT_EQ(svns.size(), 18u);
  ASSERT_EQ(svns[0], small);
  const auto judge_svns = [&](const std::vector<std::string>& list_of_svns) {
    std::vector<std::string> changed = fields;
    changed[1] = list({tcb[0], list(list_of_svns)});
    return judge(list(changed));
  };
  EXPECT_EQ(judge_svns(svns), kAccepted);
  std::vector<std::string> changed = svns;
  changed[0] = large;
  EXPECT_EQ(judge_svns(changed), v1::ENDORSEMENT_MALFORMED);
  changed = svns;
  changed[16] = x509::DerEncode(
      x509::kDerSequence,
      x509::DerOid("1.2.840.113741.1.13.1.2.17") + x509::DerU32(0x1000d));
  EXPECT_EQ(judge_svns(changed), v1::ENDORSEMENT_MALFORMED);
  changed = svns;
  std::swap(changed[0], changed[1]);
  EXPECT_EQ(judge_svns(changed), v1::ENDORSEMENT_MALFORMED);
  for (size_t i = 0; i < svns.size(); ++i) {
    changed = svns;
    changed.erase(changed.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_EQ(judge_svns(changed), v1::ENDORSEMENT_MALFORMED) << i;
  }
}

}  // namespace
}  // namespace kms::dcap
