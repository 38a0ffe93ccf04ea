// What Intel's signed collateral, sent or stored, may lie about (rows D1, D5 to
// D7, D10, D23, D24). Each row is otherwise valid and signed anew, and has one
// code.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/dcap/collateral.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/crls.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tests/conformance/dcap_fixture.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

TEST(DcapTest, ReadsCollateralInEveryFormThatItTravelsIn) {
  const std::string crl = Tdx().PckCrl();
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", x509::ToPem(AsBytes(crl), "X509 CRL")),
            kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", Hex(crl)), kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", Hex(crl) + "\n"), kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", Hex(crl) + "0"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl", ""), v1::ENDORSEMENT_MALFORMED);
  const std::string chain = Tdx().SignerChainPem();
  const std::string encoded = absl::StrReplaceAll(
      chain, {{" ", "%20"}, {"\n", "%0A"}, {"+", "%2B"}, {"/", "%2f"}});
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info_issuer_chain", encoded), kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info_issuer_chain", encoded + "%"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info_issuer_chain", encoded + "%2"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info_issuer_chain", encoded + "%zz"),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl_issuer_chain",
                      x509::ToPem(AsBytes(Tdx().pck_ca().der()), kPem)),
            kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "pck_crl_issuer_chain", "none"),
            v1::ENDORSEMENT_MALFORMED);
}

TEST(DcapTest, RejectsAbsentCollateral) {
  for (const std::string role : {"tcb_info", "tcb_info_issuer_chain",
                                 "qe_identity", "qe_identity_issuer_chain"}) {
    v1::Evidence evidence = Good(Tdx());
    for (int i = 0; i < evidence.files_size(); ++i) {
      if (evidence.files(i).role() == role) {
        evidence.mutable_files()->DeleteSubrange(i, 1);
        break;
      }
    }
    EXPECT_EQ(Code(evidence, Tdx()), v1::ENDORSEMENT_MISSING) << role;
  }
  v1::Evidence empty;
  empty.set_type(v1::TDX);
  *FileOf(empty, "tcb_info") = "x";
  EXPECT_EQ(Code(empty, Tdx()), v1::EVIDENCE_MALFORMED);
}

// D1, D24: collateral that the TCB signer did not sign.
TEST(DcapTest, RejectsCollateralOfOtherSigners) {
  for (const std::string name : {"tcbInfo", "enclaveIdentity"}) {
    const bool tcb = name == "tcbInfo";
    const std::string role = tcb ? "tcb_info" : "qe_identity";
    const std::string chain_role = role + "_issuer_chain";
    const std::string body = tcb ? Tdx().TcbInfoBody() : Tdx().QeIdentityBody();
    EXPECT_EQ(JudgeFile(Tdx(), role, Tdx().SignJson(name, body)), kAccepted);
    EXPECT_EQ(JudgeFile(Tdx(), role, OtherTdx().SignJson(name, body)),
              v1::CHAIN_UNTRUSTED);
    // With the other signer's chain, whose root is not ours.
    v1::Evidence other = Good(Tdx());
    *FileOf(other, role) = OtherTdx().SignJson(name, body);
    *FileOf(other, chain_role) = OtherTdx().SignerChainPem();
    EXPECT_EQ(Code(other, Tdx()), v1::CHAIN_UNTRUSTED);
    // Signed by the PCK, with the PCK's chain.
    v1::Evidence pck = Good(Tdx());
    *FileOf(pck, role) = absl::StrCat(
        "{\"", name, "\":", body, ",\"signature\":\"",
        Hex(BytesView(simtee::RawSignature(Tdx().pck_key(), body))), "\"}");
    *FileOf(pck, chain_role) = Tdx().PckChainPem();
    EXPECT_EQ(Code(pck, Tdx()), v1::ENDORSEMENT_MISMATCH);
    EXPECT_EQ(JudgeFile(Tdx(), chain_role,
                        x509::ToPem(AsBytes(Tdx().root().der()), kPem)),
              v1::ENDORSEMENT_MISSING);
    EXPECT_EQ(JudgeFile(Tdx(), chain_role, "none"), v1::ENDORSEMENT_MALFORMED);
    // The signer's certificate, expired.
    x509::CertificateSpec spec = Tdx().TcbSigningSpec();
    spec.not_after = kNow - absl::Hours(1);
    EXPECT_EQ(
        JudgeFile(
            Tdx(), chain_role,
            x509::ToPem(AsBytes(x509::IssueCertificate(spec, Tdx().root_key())),
                        kPem)),
        v1::CERTIFICATE_EXPIRED);
    // Of the right name, and under a PCK CA, which has a CRL here.
    spec = Tdx().TcbSigningSpec();
    spec.issuer = Tdx().pck_ca().subject_der();
    spec.extensions[1] = Tdx().PckSpec().extensions[1];
    const std::string chain =
        x509::ToPem(AsBytes(x509::IssueCertificate(spec, Tdx().pck_ca_key())),
                    kPem) +
        x509::ToPem(AsBytes(Tdx().pck_ca().der()), kPem);
    EXPECT_EQ(JudgeFile(Tdx(), chain_role, chain), v1::ENDORSEMENT_MISSING);
    const auto anchor = *policy::TrustAnchors::Create({Tdx().Anchor()});
    const std::vector<x509::Crl> crls = {
        *x509::Crl::Parse(AsBytes(Tdx().RootCaCrl())),
        *x509::Crl::Parse(AsBytes(Tdx().PckCrl()))};
    const SignerInputs inputs = {.issuer_chain = AsBytes(chain),
                                 .anchors = anchor.For(v1::TDX).x509,
                                 .root_ca_crl = crls,
                                 .now = kNow};
    const std::string file = Tdx().SignJson(name, body);
    EXPECT_EQ(RefusalOf(tcb ? VerifyTcbInfo(AsBytes(file), inputs).status()
                            : VerifyQeIdentity(AsBytes(file), inputs).status()),
              v1::ENDORSEMENT_MISMATCH);
  }
}

// A simulator's collateral must not rate a vendor's platform.
TEST(DcapTest, RejectsCollateralUnderAnotherAnchor) {
  // The root CA's list, which the platform's root signed, covers no other.
  policy::TrustAnchor second = OtherTdx().Anchor();
  second.name = "second";
  const policy::TrustAnchors anchors = Anchors({Tdx().Anchor(), second});
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = Good(Tdx());
  v1::Evidence& evidence = *bundle.mutable_evidence(0);
  *FileOf(evidence, "tcb_info") =
      OtherTdx().SignJson("tcbInfo", OtherTdx().TcbInfoBody());
  *FileOf(evidence, "tcb_info_issuer_chain") = OtherTdx().SignerChainPem();
  EXPECT_EQ(
      RefusalOf(policy::VerifyBundle(bundle, {.now = kNow, .anchors = anchors})
                    .status()),
      v1::CRL_INVALID);
}

// D5, D6.
TEST(DcapTest, RejectsCollateralForTheOtherKindOfTee) {
  EXPECT_EQ(JudgeQeIdentity({{"TD_QE", "QE"}}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeQeIdentity({{"\"QE\"", "\"TD_QE\""}}, Sgx()),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeQeIdentity({{"TD_QE", "QVE"}}), v1::ENDORSEMENT_MALFORMED);
  // SGX's TCB info has no TDX parts.
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info",
                      Tdx().SignJson("tcbInfo", Sgx().TcbInfoBody())),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeFile(Sgx(), "tcb_info",
                      Sgx().SignJson("tcbInfo", Tdx().TcbInfoBody())),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"\"TDX\"", "\"SGX\""}}), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeTcbInfo({{"\"TDX\"", "\"tdx\""}}), v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeTcbInfo({{"\"SGX\"", "\"sgx\""}}, Sgx()),
            v1::ENDORSEMENT_MALFORMED);
  for (const std::string version : {"0", "1", "2", "4", "\"3\""}) {
    EXPECT_EQ(JudgeTcbInfo({{"\"version\":3", "\"version\":" + version}}),
              v1::ENDORSEMENT_MALFORMED);
  }
  for (const std::string version : {"1", "3"}) {
    EXPECT_EQ(JudgeQeIdentity({{"\"version\":2", "\"version\":" + version}}),
              v1::ENDORSEMENT_MALFORMED);
  }
  EXPECT_EQ(JudgeTcbInfo({{"\"tcbType\":0", "\"tcbType\":1"}}),
            v1::ENDORSEMENT_MALFORMED);
}

// D7.
TEST(DcapTest, RejectsTcbInfoOfOtherPlatforms) {
  EXPECT_EQ(JudgeTcbInfo({{"00806f510000", "00806F510000"}}), kAccepted);
  EXPECT_EQ(JudgeTcbInfo({{"00806f510000", "00806f510001"}}),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"00806f510000", "10806f510000"}}),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"\"pceId\":\"0000\"", "\"pceId\":\"0001\""}}),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"00806f510000", "00806f5100"}}),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeTcbInfo({{"00806f510000", "00806f51000"}}),
            v1::ENDORSEMENT_MALFORMED);
}

// D10. A number lower than one seen is the collateral store's to refuse.
TEST(DcapTest, HoldsCollateralToItsDates) {
  const std::string start = "2025-01-01T00:00:00Z";
  const std::string end = "2032-01-01T00:00:00Z";
  const std::string now = "2025-01-02T00:00:00Z";
  const std::string later = "2025-01-02T00:00:01Z";
  const std::string earlier = "2025-01-01T23:59:59Z";
  for (const auto& judge :
       std::vector<std::function<v1::RefusalCode(const Edit&)>>{
           [](const Edit& edit) { return JudgeTcbInfo({edit}); },
           [](const Edit& edit) { return JudgeQeIdentity({edit}); }}) {
    EXPECT_EQ(judge({start, now}), kAccepted);
    EXPECT_EQ(judge({end, now}), kAccepted);
    EXPECT_EQ(judge({start, later}), v1::COLLATERAL_EXPIRED);
    EXPECT_EQ(judge({end, earlier}), v1::COLLATERAL_EXPIRED);
    for (const std::string bad :
         {"2025-01-02T00:00:00", "2025-01-02 00:00:00Z", "2025-02-30T00:00:00Z",
          "2025-01-02T24:00:01Z", "2025-01-02T00:00:00+00:00", "soon",
          "2025-01-02T00:00:00.5Z", " 2025-01-02T00:00:00Z"}) {
      EXPECT_EQ(judge({start, bad}), v1::ENDORSEMENT_MALFORMED) << bad;
    }
  }
}

// D23, G2: what two parsers would read in two ways, signed all the same.
TEST(DcapTest, RejectsAmbiguousJson) {
  const std::string good = Tdx().SignJson("tcbInfo", Tdx().TcbInfoBody());
  const auto judge = [](const std::string& file) {
    return JudgeFile(Tdx(), "tcb_info", file);
  };
  EXPECT_EQ(judge(good), kAccepted);
  EXPECT_EQ(judge(" \r\n\t" + good + "\n"), kAccepted);
  for (const std::string& file :
       {"\xef\xbb\xbf" + good, good + "x", good + good,
        good + std::string(1, '\0'), good.substr(0, good.size() - 1),
        std::string(), std::string("null"), std::string("[]"),
        Replaced(good, "\"signature\"", "\"Signature\""),
        Replaced(good, "\"tcbInfo\"", "\"tcbinfo\""),
        Replaced(good, ",\"signature\"", ",\"x\":1,\"signature\""),
        good.substr(0, good.size() - 1) + ",\"signature\":\"00\"}",
        good.substr(0, good.size() - 3) + "\"}",
        good.substr(0, good.size() - 4) + "\"}",
        good.substr(0, good.size() - 2) + "00\"}",
        good.substr(0, good.size() - 3) + "g\"}"}) {
    EXPECT_EQ(judge(file), v1::ENDORSEMENT_MALFORMED) << file.substr(0, 40);
  }
  // Inside the signed part.
  for (const Edit& edit : std::vector<Edit>{
           {"\"version\":3", "\"version\":3,\"version\":3"},
           {"\"version\":3", "\"version\":3,\"vers\\u0069on\":3"},
           {"\"version\":3", "\"version\":\"3\""},
           {"\"version\":3", "\"version\":3.0"},
           {"\"version\":3", "\"version\":3e0"},
           {"\"version\":3", "\"version\":03"},
           {"\"version\":3", "\"version\":+3"},
           {"\"version\":3", "\"version\":-3"},
           {"\"version\":3,", ""},
           {"\"pcesvn\":13", "\"pcesvn\":65549"},
           {"{\"svn\":7}", "{\"svn\":263}"},
           {"{\"svn\":7}", "{\"svn\":18446744073709551623}"},
           {"{\"svn\":7}", "{\"svn\":true}"},
           {"{\"svn\":7}", "7"},
           {",{\"svn\":4}", ""},
           {",{\"svn\":4}", ",{\"svn\":4},{\"svn\":4}"},
           {"\"isvsvn\":5", "\"isvsvn\":65541"},
           {"\"tcbDate\":\"2024-11-13T00:00:00Z\",", ""},
           {"[\"SIMULATED-SA-00003\"]", "\"SIMULATED-SA-00003\""},
           {"[\"SIMULATED-SA-00003\"]", "[3]"},
           {"\"pceId\":\"0000\"", "\"pceId\":\"00\\u0030\\u0030\""},
           {"\"pceId\":\"0000\"", "\"pceId\":\"000\""},
           {"\"pceId\":\"0000\"", "\"pceId\":\"00g0\""},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\\u0000\""},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\x7f\""},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\n\""},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\xc3\xa9\""},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\",\"x\":" + std::string(64, '[') +
                                  std::string(64, ']')},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\",,\"x\":1"},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\",\"x\":nul"},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\",\"x\":1."},
           {"\"id\":\"TDX\"", "\"id\":\"TDX\",\"x\":1e"},
       }) {
    EXPECT_EQ(JudgeTcbInfo({edit}), v1::ENDORSEMENT_MALFORMED) << edit.second;
  }
  // What Intel may add is not ours to refuse; what it may lay out anew is
  // covered by the signature as it stands.
  EXPECT_EQ(JudgeTcbInfo({{"\"id\":\"TDX\"",
                           "\"id\" : \"TDX\" , \"x\" : [ -1.5e+3 , true, "
                           "false , null , { } , [ ] , 0 ]"}}),
            kAccepted);
  // A signature over the same JSON written otherwise.
  const std::string body = Tdx().TcbInfoBody();
  std::string spaced = Tdx().SignJson("tcbInfo", body);
  spaced = Replaced(spaced, "\"version\":3", "\"version\": 3");
  EXPECT_EQ(judge(spaced), v1::CHAIN_UNTRUSTED);
}

TEST(DcapTest, RejectsQeIdentitiesThatLackAField) {
  for (const std::string field :
       {"id", "version", "issueDate", "nextUpdate", "tcbEvaluationDataNumber",
        "miscselect", "miscselectMask", "attributes", "attributesMask",
        "mrsigner", "isvprodid", "tcbLevels", "isvsvn", "tcbStatus",
        "tcbDate"}) {
    EXPECT_EQ(JudgeQeIdentity({{"\"" + field + "\"", "\"x\""}}),
              v1::ENDORSEMENT_MALFORMED)
        << field;
  }
  EXPECT_EQ(JudgeQeIdentity({{"\"isvsvn\":6", "\"isvsvn\":8"}}),
            v1::ENDORSEMENT_MALFORMED);  // One level twice.
  EXPECT_EQ(JudgeQeIdentity({{"\"mrsigner\":\"e5", "\"mrsigner\":\""}}),
            v1::ENDORSEMENT_MALFORMED);
}

TEST(DcapTest, RejectsTcbInfosThatLackAField) {
  for (const std::string field : {"id",
                                  "version",
                                  "issueDate",
                                  "nextUpdate",
                                  "fmspc",
                                  "pceId",
                                  "tcbType",
                                  "tcbEvaluationDataNumber",
                                  "tdxModule",
                                  "tcbLevels",
                                  "tcb",
                                  "sgxtcbcomponents",
                                  "tdxtcbcomponents",
                                  "pcesvn",
                                  "tcbStatus",
                                  "tcbDate",
                                  "mrsigner",
                                  "attributes",
                                  "attributesMask",
                                  "isvsvn"}) {
    EXPECT_EQ(JudgeTcbInfo({{"\"" + field + "\"", "\"x\""}}),
              v1::ENDORSEMENT_MALFORMED)
        << field;
  }
  // SGX's has no TDX parts.
  for (const std::string part : {"tdxModule", "tdxModuleIdentities"}) {
    EXPECT_EQ(JudgeTcbInfo({{"\"tcbType\"", "\"" + part + "\":[],\"tcbType\""}},
                           Sgx()),
              v1::ENDORSEMENT_MALFORMED);
  }
}

TEST(DcapTest, PrefersTheCollateralThatIsStored) {
  const std::string subject = "tdx/00806f510000";
  const std::string older =
      TcbInfoWith(Tdx(), {{"]},\"tcbDate\":\"2024-11-13T00:00:00Z\","
                           "\"tcbStatus\":\"UpToDate\"",
                           "]},\"tcbDate\":\"2024-11-13T00:00:00Z\","
                           "\"tcbStatus\":\"SWHardeningNeeded\""}});
  x509::CrlSpec revoked = Tdx().PckCrlSpec();
  revoked.revoked = {"\3"};
  const std::string revoking = x509::IssueCrl(revoked, Tdx().pck_ca_key());
  const v1::Evidence good = Good(Tdx());
  policy::VerifiedCache cache(1 << 20);
  ASSERT_EQ(StatusOfClaims(Verify(good, Tdx(), {.cache = &cache})), "UpToDate");

  const policy::Collateral tcb_info({Item("tcb_info", subject, older)});
  const auto claims =
      Verify(good, Tdx(), {.cache = &cache, .collateral = &tcb_info});
  EXPECT_EQ(StatusOfClaims(claims), "SWHardeningNeeded");
  int stored = 0;
  for (const v1::CollateralClaims& used : claims->collateral()) {
    if (!used.stored()) continue;
    ++stored;
    EXPECT_EQ(used.kind(), "tcb_info");
    EXPECT_EQ(used.digest(), crypto::Sha256(AsBytes(older)));
  }
  EXPECT_EQ(stored, 1);
  // Of another platform, or another TEE: not for this quote.
  const policy::Collateral other({Item("tcb_info", "sgx/00806f510000", older),
                                  Item("tcb_info", "tdx/00806f510001", older)});
  EXPECT_EQ(StatusOfClaims(Verify(good, Tdx(), {.collateral = &other})),
            "UpToDate");

  const policy::Collateral identity(
      {Item("qe_identity", "TD_QE",
            QeIdentityWith(Tdx(), {{"\"UpToDate\"", "\"OutOfDate\""}}))});
  EXPECT_EQ(StatusOfClaims(Verify(good, Tdx(),
                                  {.cache = &cache, .collateral = &identity})),
            "OutOfDate");

  const policy::Collateral crl(
      {Item("crl", policy::CrlSubject(Tdx().pck_ca()), revoking)});
  EXPECT_EQ(Code(good, Tdx(), {.cache = &cache, .collateral = &crl}),
            v1::CERTIFICATE_REVOKED);
  // The list of a CA of the same name and another key is another CA's.
  const policy::Collateral others_crl({Item(
      "crl", policy::CrlSubject(OtherTdx().pck_ca()), OtherTdx().PckCrl())});
  EXPECT_EQ(Code(good, Tdx(), {.collateral = &others_crl}), kAccepted);

  // All of it stored, none with the quote.
  const policy::Collateral all(
      {Item("tcb_info", subject, TcbInfoWith(Tdx(), {})),
       Item("tcb_info_issuer_chain", subject, Tdx().SignerChainPem()),
       Item("qe_identity", "TD_QE", QeIdentityWith(Tdx(), {})),
       Item("qe_identity_issuer_chain", "TD_QE", Tdx().SignerChainPem()),
       Item("crl", policy::CrlSubject(Tdx().pck_ca()), Tdx().PckCrl()),
       Item("crl", policy::CrlSubject(Tdx().root()), Tdx().RootCaCrl())});
  v1::Evidence alone = good;
  alone.mutable_files()->DeleteSubrange(1, alone.files_size() - 1);
  const auto by_store = Verify(alone, Tdx(), {.collateral = &all});
  ASSERT_TRUE(by_store.ok()) << by_store.status();
  EXPECT_EQ(by_store->collateral_size(), 6);
  for (const v1::CollateralClaims& used : by_store->collateral()) {
    EXPECT_TRUE(used.stored());
  }
}

// A certificate that only bears the PCK CA's name, before the real one, must
// not lead away from the root whose list is stored: the sender's own list of it
// may be older.
TEST(DcapTest, ADecoyCaDoesNotHideTheStoredListOfTheRoot) {
  x509::CrlSpec revoked = Tdx().RootCaCrlSpec();
  revoked.revoked = {Tdx().pck_ca().serial()};
  const policy::Collateral store(
      {Item("crl", policy::CrlSubject(Tdx().root()),
            x509::IssueCrl(revoked, Tdx().root_key()))});
  x509::CertificateSpec decoy = Tdx().PckCaSpec();
  decoy.issuer = x509::MakeName({{"2.5.4.3", "nobody"}});
  decoy.spki = OtherTdx().pck_ca_key().Spki();
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.pck_chain.clear();
  for (const std::string& der :
       {Tdx().pck().der(), x509::IssueCertificate(decoy, OtherTdx().root_key()),
        Tdx().pck_ca().der(), Tdx().root().der()}) {
    quote.pck_chain += x509::ToPem(AsBytes(der), kPem);
  }
  const v1::Evidence evidence = Tdx().Wrap(SerializeQuote(quote));
  EXPECT_EQ(Code(evidence, Tdx()), kAccepted);
  EXPECT_EQ(Code(evidence, Tdx(), {.collateral = &store}),
            v1::CERTIFICATE_REVOKED);
}

TEST(DcapTest, AcceptsACollateralStoreOfTwoRootsOfOneName) {
  policy::TrustAnchor second = OtherTdx().Anchor();
  second.name = "second";
  const policy::TrustAnchors anchors = Anchors({Tdx().Anchor(), second});
  const policy::Collateral crls(
      {Item("crl", policy::CrlSubject(OtherTdx().root()),
            OtherTdx().RootCaCrl()),
       Item("crl", policy::CrlSubject(Tdx().root()), Tdx().RootCaCrl()),
       Item("crl", policy::CrlSubject(OtherTdx().pck_ca()),
            OtherTdx().PckCrl()),
       Item("crl", policy::CrlSubject(Tdx().pck_ca()), Tdx().PckCrl())});
  for (const SimulatedTdx* machine : {&Tdx(), &OtherTdx()}) {
    v1::EvidenceBundle bundle;
    *bundle.add_evidence() = Good(*machine);
    EXPECT_TRUE(
        policy::VerifyBundle(
            bundle, {.now = kNow, .anchors = anchors, .collateral = &crls})
            .ok());
  }
}

// G7: what was verified on some inputs says nothing about others.
TEST(DcapTest, RemembersAPlatformForEqualInputsOnly) {
  policy::VerifiedCache cache(1 << 20);
  const v1::Evidence good = Good(Tdx());
  ASSERT_EQ(Code(good, Tdx(), {.cache = &cache}), kAccepted);
  ASSERT_EQ(Code(good, Tdx(), {.cache = &cache}), kAccepted);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(Code(good, OtherTdx(), {.cache = &cache}), v1::CHAIN_UNTRUSTED);
  // Another quote of the same platform is judged by itself.
  TdxGuest guest;
  guest.tee_tcb_svn = {2, 1, 4};
  EXPECT_EQ(
      StatusOfClaims(Verify(Good(Tdx(), guest), Tdx(), {.cache = &cache})),
      "OutOfDate");
  for (const v1::EvidenceFile& file : good.files()) {
    if (file.role() == "evidence") continue;
    v1::Evidence changed = good;
    *FileOf(changed, file.role()) = "x";
    EXPECT_EQ(Code(changed, Tdx(), {.cache = &cache}),
              v1::ENDORSEMENT_MALFORMED)
        << file.role();
  }
  for (const auto& change : std::vector<std::function<void(UnverifiedQuote&)>>{
           [](UnverifiedQuote& q) { q.qe_report.isv_svn = 9; },
           [](UnverifiedQuote& q) { q.qe_report_signature[5] ^= 1; },
           [](UnverifiedQuote& q) { q.qe_auth_data[5] ^= 1; },
           [](UnverifiedQuote& q) {
             q.attestation_key = simtee::RawPoint(OtherTdx().attestation_key());
             OtherTdx().SignBody(q);
           }}) {
    UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
    change(quote);
    EXPECT_NE(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx(), {.cache = &cache}),
              kAccepted);
  }
}

TEST(DcapTest, RemembersOnlyPlatformsOfQuotesThatVerify) {
  policy::VerifiedCache cache(1 << 20);
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.td->mrtd[0] ^= 1;
  EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx(), {.cache = &cache}),
            v1::SIGNATURE_INVALID);
  TdxGuest guest;
  guest.tee_tcb_svn = {1, 1, 6};
  EXPECT_EQ(Code(Good(Tdx(), guest), Tdx(), {.cache = &cache}),
            v1::TCB_UNSUPPORTED);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace kms::dcap
