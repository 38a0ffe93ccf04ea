// Collateral by itself: what verifies, what it is called, and each refusal.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/collateral/limits.h"
#include "policy/collateral/verify.h"
#include "policy/verifier/crls.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx.h"

namespace kms::policy {
namespace {

using Files = std::vector<std::string>;
using Result = absl::StatusOr<std::vector<VerifiedCollateral>>;

const absl::Time kFrom = absl::FromUnixSeconds(1'750'000'000);
const absl::Time kUntil = kFrom + absl::Hours(24 * 300);
const absl::Time kNow = kFrom + absl::Hours(24 * 10);

const simtee::SimulatedSnp& Snp() {
  static const auto* const machine =
      new simtee::SimulatedSnp(simtee::SimulatedSnp::Create(
          {.rsa_bits = 2048, .not_before = kFrom, .not_after = kUntil}));
  return *machine;
}

const simtee::SimulatedTdx& Tdx() {
  static const auto* const machine = new simtee::SimulatedTdx(
      simtee::SimulatedTdx::Create({.not_before = kFrom, .not_after = kUntil}));
  return *machine;
}

const TrustAnchors& Anchors() {
  static const auto* const anchors =
      new TrustAnchors(*TrustAnchors::Create({Snp().Anchor(), Tdx().Anchor()}));
  return *anchors;
}

Result Verify(CollateralKind kind, const Files& files, absl::Time now = kNow,
              const Collateral* stored = nullptr) {
  return VerifyCollateral(
      kind, files, {.now = now, .anchors = Anchors(), .collateral = stored});
}

v1::RefusalCode Refusal(CollateralKind kind, const Files& files,
                        absl::Time now = kNow) {
  return RefusalOf(Verify(kind, files, now).status());
}

const CollateralFacts* Find(const Result& result, absl::string_view role) {
  for (const VerifiedCollateral& item : *result) {
    if (item.facts().item.role == role) return &item.facts();
  }
  return nullptr;
}

// A list of the ARK's, in force from kFrom on for 30 days.
x509::CrlSpec ArkCrlSpec() {
  x509::CrlSpec spec;
  spec.issuer = Snp().ark().subject_der();
  spec.this_update = kFrom;
  spec.next_update = kFrom + absl::Hours(24 * 30);
  spec.extensions = {
      {.oid = "2.5.29.20", .value = std::string("\x02\x01\x07")}};
  return spec;
}

std::string ArkCrl() { return x509::IssueCrl(ArkCrlSpec(), Snp().ark_key()); }

// --- Names ---

TEST(CollateralKindTest, HasTheNamesOfTheCommandLine) {
  for (const absl::string_view name : CollateralKindNames()) {
    EXPECT_TRUE(CollateralKindNamed(name).has_value()) << name;
  }
  EXPECT_EQ(CollateralKindNamed("tcb-info"), CollateralKind::kTcbInfo);
  EXPECT_EQ(CollateralKindNamed("cert-chain"), CollateralKind::kCertChain);
  EXPECT_FALSE(CollateralKindNamed("tcb_info").has_value());
  EXPECT_FALSE(CollateralKindNamed("").has_value());
}

// --- CRLs ---

TEST(CrlTest, IsNamedByItsIssuer) {
  const std::string list = ArkCrl();
  const Result crl = Verify(CollateralKind::kCrl, {list, Snp().ark().der()});
  ASSERT_TRUE(crl.ok()) << crl.status();
  ASSERT_EQ(crl->size(), 1u);
  const CollateralFacts& facts = crl->front().facts();
  EXPECT_EQ(facts.item.role, "crl");
  EXPECT_EQ(facts.item.subject, CrlSubject(Snp().ark()));
  EXPECT_EQ(facts.item.content, list);
  EXPECT_EQ(facts.item.digest, crypto::Sha256(AsBytes(facts.item.content)));
  EXPECT_EQ(facts.number, "\x07");
  EXPECT_EQ(facts.issued, kFrom);
  EXPECT_EQ(facts.next_update, kFrom + absl::Hours(24 * 30));
  EXPECT_EQ(facts.type, v1::SEV_SNP);
  EXPECT_EQ(facts.anchor, "simulated-snp-ark");
  EXPECT_TRUE(facts.simulated);
}

TEST(CrlTest, IsKeptAsDerWhateverFormItCameIn) {
  const std::string der = ArkCrl();
  for (const std::string& form :
       {der, x509::ToPem(AsBytes(der), "X509 CRL"), Hex(der)}) {
    // The order has no meaning.
    const Result crl =
        Verify(CollateralKind::kCrl, {Snp().CertChainPem(), form});
    ASSERT_TRUE(crl.ok()) << crl.status();
    EXPECT_EQ(crl->front().facts().item.content, der);
  }
}

TEST(CrlTest, NeedsNoCertificateThatAnAnchorHolds) {
  EXPECT_TRUE(Verify(CollateralKind::kCrl, {ArkCrl()}).ok());
}

TEST(CrlTest, NeedsItsIssuersCertificateUnderABarePin) {
  TrustAnchor pin = Snp().Anchor();
  pin.certificate.reset();
  pin.key.reset();
  const TrustAnchors pinned = *TrustAnchors::Create({pin});
  const VerifyInputs inputs = {.now = kNow, .anchors = pinned};
  EXPECT_EQ(
      RefusalOf(VerifyCollateral(CollateralKind::kCrl, Files{ArkCrl()}, inputs)
                    .status()),
      v1::ENDORSEMENT_MISSING);
  EXPECT_TRUE(VerifyCollateral(CollateralKind::kCrl,
                               Files{ArkCrl(), Snp().ark().der()}, inputs)
                  .ok());
  // Or the store's.
  const Collateral stored({{"cert_chain", "x", Snp().CertChainPem(), ""}});
  EXPECT_TRUE(
      VerifyCollateral(CollateralKind::kCrl, Files{ArkCrl()},
                       {.now = kNow, .anchors = pinned, .collateral = &stored})
          .ok());
}

TEST(CrlTest, RefusesAnotherSigner) {
  const std::string forged = x509::IssueCrl(ArkCrlSpec(), Snp().ask_key());
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {forged}), v1::CRL_INVALID);
  std::string flipped = ArkCrl();
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {flipped}), v1::CRL_INVALID);
}

TEST(CrlTest, RefusesAnIssuerThatLeadsToNoAnchor) {
  const simtee::SimulatedSnp other = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048, .not_before = kFrom, .not_after = kUntil});
  const std::string crl = x509::IssueCrl(ArkCrlSpec(), other.ark_key());
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {crl, other.ark().der()}),
            v1::CHAIN_UNTRUSTED);
}

TEST(CrlTest, RefusesAnIssuerThatMayNotSignLists) {
  // A signing key of reports is no CA.
  x509::CrlSpec spec = ArkCrlSpec();
  spec.issuer = Snp().leaf().subject_der();
  spec.scheme = x509::SignatureScheme::kEcdsaSha384;
  const std::string crl = x509::IssueCrl(spec, Snp().leaf_key());
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {crl, Snp().leaf().der()}),
            v1::ENDORSEMENT_MISSING);
}

TEST(CrlTest, MustBeInForce) {
  EXPECT_EQ(
      Refusal(CollateralKind::kCrl, {ArkCrl()}, kFrom + absl::Hours(24 * 30)),
      v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {ArkCrl()},
                    kFrom + absl::Hours(24 * 30) + absl::Seconds(1)),
            v1::CRL_EXPIRED);
  x509::CrlSpec later = ArkCrlSpec();
  later.this_update = kNow + absl::Seconds(1);
  EXPECT_EQ(
      Refusal(CollateralKind::kCrl, {x509::IssueCrl(later, Snp().ark_key())}),
      v1::CRL_EXPIRED);
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {ArkCrl()}, kFrom - absl::Seconds(1)),
            v1::CERTIFICATE_NOT_YET_VALID);
}

TEST(CrlTest, IsHeldAgainstTheListAboveItsIssuer) {
  // The PCK CA signs its own list; the root's says whether that CA stands.
  EXPECT_TRUE(Verify(CollateralKind::kCrl,
                     {Tdx().PckCrl(), Tdx().PckChainPem(), Tdx().RootCaCrl()})
                  .ok());
  x509::CrlSpec spec = Tdx().RootCaCrlSpec();
  spec.revoked = {Tdx().pck_ca().serial()};
  const std::string revoking = x509::IssueCrl(spec, Tdx().root_key());
  EXPECT_EQ(Refusal(CollateralKind::kCrl,
                    {Tdx().PckCrl(), Tdx().PckChainPem(), revoking}),
            v1::CERTIFICATE_REVOKED);
  // Also where it is the store that has the list.
  const Collateral stored({{"crl", CrlSubject(Tdx().root()), revoking, ""}});
  EXPECT_EQ(
      RefusalOf(Verify(CollateralKind::kCrl,
                       {Tdx().PckCrl(), Tdx().PckChainPem()}, kNow, &stored)
                    .status()),
      v1::CERTIFICATE_REVOKED);
}

// A stored list that is out of force must not stand in its successor's way, nor
// be passed over where there is none.
TEST(CrlTest, TakesThePlaceOfAnExpiredOne) {
  x509::CrlSpec spec = Tdx().RootCaCrlSpec();
  spec.this_update = kFrom;
  spec.next_update = kNow - absl::Seconds(1);
  const Collateral stored(
      {{"crl", CrlSubject(Tdx().root()), x509::IssueCrl(spec, Tdx().root_key()),
        std::string(32, 'd')}});
  const std::string body = Tdx().TcbInfoBody();
  const Files info = {Tdx().SignJson("tcbInfo", body), Tdx().SignerChainPem()};
  const Files list = {Tdx().PckCrl(), Tdx().PckChainPem()};
  for (const auto& [kind, files] : {std::pair(CollateralKind::kTcbInfo, info),
                                    std::pair(CollateralKind::kCrl, list)}) {
    EXPECT_EQ(RefusalOf(Verify(kind, files, kNow, &stored).status()),
              v1::CRL_EXPIRED);
    Files with_successor = files;
    with_successor.push_back(Tdx().RootCaCrl());
    const Result verified = Verify(kind, with_successor, kNow, &stored);
    EXPECT_TRUE(verified.ok()) << verified.status();
    // Somebody else's does not count as one.
    x509::CrlSpec others = ArkCrlSpec();
    Files with_another = files;
    with_another.push_back(x509::IssueCrl(others, Snp().ark_key()));
    EXPECT_EQ(RefusalOf(Verify(kind, with_another, kNow, &stored).status()),
              v1::CRL_EXPIRED);
  }
}

// Two CAs of one name are two issuers, and neither can say what the other's
// list is: not by a higher number, nor by one that does not even parse.
TEST(CrlTest, IsKeptForTheKeyThatSignedIt) {
  const simtee::SimulatedSnp other = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048, .not_before = kFrom, .not_after = kUntil});
  ASSERT_EQ(other.ark().subject_der(), Snp().ark().subject_der());
  EXPECT_NE(CrlSubject(other.ark()), CrlSubject(Snp().ark()));
  x509::CrlSpec spec = ArkCrlSpec();
  spec.revoked = {Snp().ask().serial()};
  const Collateral others(
      {{"crl", CrlSubject(other.ark()), x509::IssueCrl(spec, other.ark_key()),
        std::string(32, 'd')}});
  EXPECT_TRUE(
      Verify(CollateralKind::kCertChain, {Snp().CertChainPem()}, kNow, &others)
          .ok());
  const Collateral rotten(
      {{"crl", CrlSubject(other.ark()), "rotten", std::string(32, 'd')},
       {"cert_chain", "rotten", "rotten", std::string(32, 'e')}});
  EXPECT_TRUE(
      Verify(CollateralKind::kCertChain, {Snp().CertChainPem()}, kNow, &rotten)
          .ok());
  const Collateral ours(
      {{"crl", CrlSubject(Snp().ark()), "rotten", std::string(32, 'd')}});
  EXPECT_EQ(RefusalOf(Verify(CollateralKind::kCertChain, {Snp().CertChainPem()},
                             kNow, &ours)
                          .status()),
            v1::ENDORSEMENT_MALFORMED);
}

// --- Chains ---

TEST(CertChainTest, IsNamedByItsContent) {
  const std::string pem = Snp().CertChainPem();
  const Result chain = Verify(CollateralKind::kCertChain, {pem});
  ASSERT_TRUE(chain.ok()) << chain.status();
  const CollateralFacts& facts = chain->front().facts();
  EXPECT_EQ(facts.item.role, "cert_chain");
  EXPECT_EQ(facts.item.subject, Hex(crypto::Sha256(AsBytes(pem))));
  EXPECT_EQ(facts.item.content, pem);
  EXPECT_EQ(facts.number, "");
  EXPECT_EQ(facts.issued, absl::InfinitePast());
  EXPECT_EQ(facts.next_update, kUntil);
}

TEST(CertChainTest, TakesAWholeChainWithItsLeafToo) {
  EXPECT_TRUE(Verify(CollateralKind::kCertChain, {Tdx().PckChainPem()}).ok());
  EXPECT_TRUE(Verify(CollateralKind::kCertChain,
                     {Snp().leaf().der(), Snp().CertChainPem()})
                  .ok());
}

TEST(CertChainTest, RefusesOneCertificateThatLeadsNowhere) {
  // Without the ASK the leaf is an orphan.
  EXPECT_EQ(Refusal(CollateralKind::kCertChain,
                    {Snp().leaf().der(), Snp().ark().der()}),
            v1::ENDORSEMENT_MISSING);
  const simtee::SimulatedSnp other = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048, .not_before = kFrom, .not_after = kUntil});
  EXPECT_EQ(Refusal(CollateralKind::kCertChain, {other.CertChainPem()}),
            v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Refusal(CollateralKind::kCertChain,
                    {Snp().CertChainPem(), other.ark().der()}),
            v1::CHAIN_UNTRUSTED);
}

// The pin vouches for a key, and not for what others write beside it.
TEST(CertChainTest, RefusesAnAnchorsKeyInACertificateThatItDidNotSign) {
  x509::CertificateSpec spec;
  spec.subject = Snp().ark().subject_der();
  spec.issuer = spec.subject;
  spec.spki = Snp().ark_key().Spki();
  spec.not_before = kFrom;
  spec.not_after = kUntil;
  spec.scheme = x509::SignatureScheme::kRsaPssSha384;
  const auto judge = [&](const x509::IssuerKey& key, bool pinned_whole) {
    const std::string der = x509::IssueCertificate(spec, key);
    TrustAnchor anchor = AnchorFromCertificate(
        "ark", v1::SEV_SNP, *x509::Certificate::Parse(AsBytes(der)), true);
    if (!pinned_whole) anchor.certificate.reset();
    const TrustAnchors anchors = *TrustAnchors::Create({anchor});
    return RefusalOf(VerifyCollateral(CollateralKind::kCertChain, Files{der},
                                      {.now = kNow, .anchors = anchors})
                         .status());
  };
  EXPECT_EQ(judge(Snp().ark_key(), false), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(judge(Snp().ask_key(), false), v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(judge(Snp().ask_key(), true), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST(CertChainTest, NeedsAnAnchorOfAnyType) {
  const TrustAnchors none = *TrustAnchors::Create({});
  EXPECT_EQ(RefusalOf(VerifyCollateral(CollateralKind::kCertChain,
                                       Files{Snp().CertChainPem()},
                                       {.now = kNow, .anchors = none})
                          .status()),
            v1::CHAIN_UNTRUSTED);
}

TEST(CertChainTest, MustBeInForce) {
  // The root by itself.
  EXPECT_EQ(Refusal(CollateralKind::kCertChain, {Snp().ark().der()},
                    kUntil + absl::Seconds(1)),
            v1::CERTIFICATE_EXPIRED);
  EXPECT_EQ(Refusal(CollateralKind::kCertChain, {Snp().ark().der()},
                    kFrom - absl::Seconds(1)),
            v1::CERTIFICATE_NOT_YET_VALID);
  EXPECT_EQ(Refusal(CollateralKind::kCertChain, {Snp().CertChainPem()},
                    kUntil + absl::Seconds(1)),
            v1::CERTIFICATE_EXPIRED);
  EXPECT_EQ(Refusal(CollateralKind::kCertChain, {Snp().CertChainPem()},
                    kFrom - absl::Seconds(1)),
            v1::CERTIFICATE_NOT_YET_VALID);
}

TEST(CertChainTest, IsKeptInAFormThatEveryVerifierReads) {
  const std::string encoded = absl::StrReplaceAll(
      Tdx().SignerChainPem(), {{" ", "%20"}, {"\n", "%0A"}, {"+", "%2B"}});
  const Result chain = Verify(CollateralKind::kCertChain, {encoded});
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_EQ(chain->front().facts().item.content, Tdx().SignerChainPem());
}

// --- Intel's signed JSON ---

Files TcbInfoFiles() {
  return {Tdx().SignJson("tcbInfo", Tdx().TcbInfoBody()),
          Tdx().SignerChainPem()};
}

TEST(TcbInfoTest, GivesTheInfoAndItsChainUnderOneSubject) {
  // Made once: every signing gives another signature.
  const auto files = TcbInfoFiles();
  const Result items = Verify(CollateralKind::kTcbInfo, files);
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 2u);
  const CollateralFacts* info = Find(items, "tcb_info");
  const CollateralFacts* chain = Find(items, "tcb_info_issuer_chain");
  ASSERT_NE(info, nullptr);
  ASSERT_NE(chain, nullptr);
  const auto fmspc = Tdx().pck_extension().fmspc;
  EXPECT_EQ(info->item.subject,
            absl::StrCat("tdx/", Hex(std::string(fmspc.begin(), fmspc.end()))));
  EXPECT_EQ(chain->item.subject, info->item.subject);
  EXPECT_EQ(info->item.content, files[0]);
  EXPECT_FALSE(info->number.empty());
  EXPECT_GE(info->issued, kFrom);
  EXPECT_LE(info->next_update, kUntil);
  EXPECT_EQ(info->type, v1::TDX);
  EXPECT_EQ(info->anchor, "simulated-tdx-root");
  EXPECT_EQ(chain->number, "");
}

TEST(TcbInfoTest, TakesFilesInAnyOrderAndListsWithThem) {
  const Files files = TcbInfoFiles();
  const Result items =
      Verify(CollateralKind::kTcbInfo, {Tdx().RootCaCrl(), files[1], files[0]});
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_EQ(items->size(), 3u);
  // First what can be stored by itself; the chain only after its JSON.
  EXPECT_EQ((*items)[0].facts().item.role, "crl");
  EXPECT_EQ((*items)[1].facts().item.role, "tcb_info");
}

TEST(TcbInfoTest, IsHeldAgainstTheRootsList) {
  x509::CrlSpec spec = Tdx().RootCaCrlSpec();
  spec.revoked = {Tdx().tcb_signing().serial()};
  Files files = TcbInfoFiles();
  files.push_back(x509::IssueCrl(spec, Tdx().root_key()));
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, files), v1::CERTIFICATE_REVOKED);
}

TEST(TcbInfoTest, RefusesLies) {
  const Files good = TcbInfoFiles();
  Files files = good;
  files[0] = absl::StrReplaceAll(good[0], {{"UpToDate", "Uptodate"}});
  EXPECT_NE(files[0], good[0]);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, files),
            v1::ENDORSEMENT_MALFORMED);
  files[0] = absl::StrReplaceAll(good[0], {{"UpToDate", "OutOfDate"}});
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, files), v1::CHAIN_UNTRUSTED);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, {good[0]}),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, {good[1]}),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, {good[0], good[0], good[1]}),
            v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, good, kUntil + absl::Seconds(1)),
            v1::CERTIFICATE_EXPIRED);
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, {good[0], Snp().CertChainPem()}),
            v1::ENDORSEMENT_MISSING);
}

TEST(QeIdentityTest, IsNamedByItsEnclave) {
  const Files files = {
      Tdx().SignJson("enclaveIdentity", Tdx().QeIdentityBody()),
      Tdx().SignerChainPem()};
  const Result items = Verify(CollateralKind::kQeIdentity, files);
  ASSERT_TRUE(items.ok()) << items.status();
  ASSERT_NE(Find(items, "qe_identity"), nullptr);
  EXPECT_EQ(Find(items, "qe_identity")->item.subject, "TD_QE");
  EXPECT_EQ(Find(items, "qe_identity_issuer_chain")->item.subject, "TD_QE");
  // Each kind of JSON is its own.
  EXPECT_EQ(Refusal(CollateralKind::kTcbInfo, files),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kQeIdentity, TcbInfoFiles()),
            v1::ENDORSEMENT_MALFORMED);
}

// --- Files ---

TEST(FilesTest, AreBounded) {
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {}), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {""}), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kCrl, {" \n"}), v1::REQUEST_MALFORMED);
  EXPECT_EQ(Refusal(CollateralKind::kCrl,
                    {std::string(kCollateralFileBytesMax + 1, 'x')}),
            v1::REQUEST_TOO_LARGE);
  EXPECT_EQ(
      Refusal(CollateralKind::kCrl, Files(kCollateralFilesMax + 1, ArkCrl())),
      v1::REQUEST_TOO_LARGE);
}

TEST(FilesTest, ThatAreNothingAreRefused) {
  for (const CollateralKind kind :
       {CollateralKind::kCrl, CollateralKind::kCertChain,
        CollateralKind::kTcbInfo, CollateralKind::kRim}) {
    EXPECT_EQ(Refusal(kind, {"nonsense"}), v1::ENDORSEMENT_MALFORMED);
    EXPECT_EQ(Refusal(kind, {ArkCrl() + "x"}), v1::ENDORSEMENT_MALFORMED);
  }
}

TEST(FilesTest, ThatAreListsWeDoNotTakeAreRefusedAsSuch) {
  x509::CrlSpec spec = ArkCrlSpec();
  spec.next_update.reset();
  EXPECT_EQ(
      Refusal(CollateralKind::kCrl, {x509::IssueCrl(spec, Snp().ark_key())}),
      v1::CRL_INVALID);
}

TEST(FilesTest, OfAnotherKindAreRefused) {
  const std::string chain = Snp().CertChainPem();
  for (const auto& [kind, files] :
       std::vector<std::pair<CollateralKind, Files>>{
           {CollateralKind::kCrl, {chain}},
           {CollateralKind::kCrl, {ArkCrl(), "{}"}},
           {CollateralKind::kCertChain, {chain, ArkCrl()}},
           {CollateralKind::kCertChain, {"<a/>", chain}},
           {CollateralKind::kRim, {chain}},
           {CollateralKind::kCrl, {ArkCrl(), "<a/>"}},
           {CollateralKind::kCertChain, {chain, "{}"}},
           {CollateralKind::kRim, {"<a/>", chain}},
           {CollateralKind::kRim, {"<a/>", "{}"}},
           {CollateralKind::kRim, {"<a/>", ArkCrl()}},
           {CollateralKind::kTcbInfo, {chain, "<a/>"}},
           {CollateralKind::kTcbInfo, {"{}"}},
           {CollateralKind::kTcbInfo, {"{}", "{}", chain}},
           {CollateralKind::kTcbInfo, {"{}", chain, "<a/>"}},
           {CollateralKind::kQeIdentity, {chain, "<a/>"}}}) {
    EXPECT_EQ(Refusal(kind, files), v1::REQUEST_MALFORMED)
        << static_cast<int>(kind);
  }
}

// --- What vendors really sign ---

class RealCollateralTest : public testing::Test {
 protected:
  static v1::RefusalCode AtBuiltIn(CollateralKind kind, const Files& files,
                                   absl::string_view at,
                                   Result* verified = nullptr) {
    absl::Time time;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, at, &time, nullptr));
    const TrustAnchors anchors = *TrustAnchors::Create(TrustAnchors::BuiltIn());
    Result result =
        VerifyCollateral(kind, files, {.now = time, .anchors = anchors});
    const v1::RefusalCode code = RefusalOf(result.status());
    if (verified != nullptr) *verified = std::move(result);
    return code;
  }
};

TEST_F(RealCollateralTest, IntelsTcbInfosVerifyInTheirTime) {
  const std::string folder = "evidence/tdx/collateral-extra-fmspc/";
  const auto info =
      ReadShared(folder + "tcb_info_00a06d080000_tdx_2026-02.json");
  const auto chain = ReadShared(folder + "tcb_info_issuer_chain.pem");
  const auto crl = ReadShared(folder + "root_ca_crl_2026.der");
  if (!info.has_value() || !chain.has_value() || !crl.has_value()) return;
  Result items;
  EXPECT_EQ(AtBuiltIn(CollateralKind::kTcbInfo, {*info, *chain},
                      "2026-03-01T00:00:00Z", &items),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Find(items, "tcb_info")->item.subject, "tdx/00a06d080000");
  EXPECT_EQ(AtBuiltIn(CollateralKind::kTcbInfo, {*chain, *crl, *info},
                      "2026-03-01T00:00:00Z"),
            v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(AtBuiltIn(CollateralKind::kTcbInfo, {*info, *chain},
                      "2027-03-01T00:00:00Z"),
            v1::COLLATERAL_EXPIRED);
  EXPECT_EQ(AtBuiltIn(CollateralKind::kTcbInfo, {*info, *chain},
                      "2025-03-01T00:00:00Z"),
            v1::CERTIFICATE_NOT_YET_VALID);
  // Every bit counts.
  for (size_t at = 0; at < info->size(); at += 97) {
    std::string flipped = *info;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x04);
    EXPECT_NE(AtBuiltIn(CollateralKind::kTcbInfo, {flipped, *chain},
                        "2026-03-01T00:00:00Z"),
              v1::REFUSAL_CODE_UNSPECIFIED)
        << at;
  }
}

TEST_F(RealCollateralTest, NvidiasManifestsVerifyInTheirTime) {
  const std::string folder = "evidence/nvidia/";
  const auto good = ReadShared(folder + "rim-driver-gh100-550.144.03/rim.xml");
  const auto bad = ReadShared(folder + "rim-driver-bad-signature/rim.xml");
  if (!good.has_value() || !bad.has_value()) return;
  Result items;
  EXPECT_EQ(
      AtBuiltIn(CollateralKind::kRim, {*good}, "2025-06-01T00:00:00Z", &items),
      v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(items->front().facts().item.role, "rim_driver");
  EXPECT_EQ(items->front().facts().type, v1::NVIDIA_GPU);
  EXPECT_EQ(AtBuiltIn(CollateralKind::kRim, {*bad}, "2025-06-01T00:00:00Z"),
            v1::SIGNATURE_INVALID);
}

}  // namespace
}  // namespace kms::policy
