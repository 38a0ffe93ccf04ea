// What Intel TDX and SGX Evidence may lie about. Each row is otherwise valid
// and signed anew, differs in the named way only, and has one code.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/der_writer.h"
#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/dcap/collateral.h"
#include "policy/dcap/platform.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

using simtee::SgxEnclave;
using simtee::SimulatedTdx;
using simtee::TdxGuest;
using simtee::TdxOptions;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);

const std::string kReportData(64, '\x42');
constexpr char kPem[] = "CERTIFICATE";

TdxOptions Options(TeeKind tee = TeeKind::kTdx, bool platform_ca = true) {
  TdxOptions options;
  options.tee = tee;
  options.platform_ca = platform_ca;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

const SimulatedTdx& Tdx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options()));
  return *kMachine;
}
const SimulatedTdx& OtherTdx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options()));
  return *kMachine;
}
const SimulatedTdx& Sgx() {
  static const auto* const kMachine =
      new SimulatedTdx(SimulatedTdx::Create(Options(TeeKind::kSgx)));
  return *kMachine;
}

policy::TrustAnchors Anchors(std::vector<policy::TrustAnchor> ours) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  anchors.insert(anchors.end(), ours.begin(), ours.end());
  return *policy::TrustAnchors::Create(anchors);
}

struct With {
  absl::Time now = kNow;
  policy::VerifiedCache* cache = nullptr;
  const policy::Collateral* collateral = nullptr;
};

absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                  const SimulatedTdx& machine,
                                  const With& with = {}) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  const policy::TrustAnchors anchors = Anchors({machine.Anchor()});
  return policy::VerifyBundle(bundle, {.now = with.now,
                                       .anchors = anchors,
                                       .collateral = with.collateral,
                                       .cache = with.cache});
}

v1::RefusalCode Code(const v1::Evidence& evidence, const SimulatedTdx& machine,
                     const With& with = {}) {
  return RefusalOf(Verify(evidence, machine, with).status());
}

UnverifiedQuote Quote(const SimulatedTdx& machine, const TdxGuest& guest = {}) {
  return machine.tee() == TeeKind::kTdx
             ? machine.MakeQuote(AsBytes(kReportData), guest)
             : machine.MakeSgxQuote(AsBytes(kReportData), SgxEnclave());
}
std::string GoodQuote(const SimulatedTdx& machine, const TdxGuest& guest = {}) {
  return machine.Sign(Quote(machine, guest));
}
v1::Evidence Good(const SimulatedTdx& machine, const TdxGuest& guest = {}) {
  return machine.Wrap(GoodQuote(machine, guest));
}

TdxGuest V4() {
  TdxGuest guest;
  guest.version = 4;
  return guest;
}
TdxGuest V5Td10() {
  TdxGuest guest;
  guest.is_15 = false;
  return guest;
}

// The verdict after `change` to the body, signed anew.
v1::RefusalCode Judge(const SimulatedTdx& machine,
                      const std::function<void(UnverifiedQuote&)>& change) {
  UnverifiedQuote quote = Quote(machine);
  change(quote);
  return Code(machine.Wrap(machine.Sign(quote)), machine);
}

// The same for a change to what the PCK signs, or to what nobody signs.
v1::RefusalCode JudgeQe(const SimulatedTdx& machine,
                        const std::function<void(UnverifiedQuote&)>& change) {
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(machine)));
  change(quote);
  machine.SignQe(quote);
  machine.SignBody(quote);
  return Code(machine.Wrap(SerializeQuote(quote)), machine);
}

// The same for bytes that no quote may hold. Signs the first `signed_size`.
std::string SignBytes(const SimulatedTdx& machine, std::string quote,
                      size_t signed_size) {
  const auto signature = simtee::RawSignature(machine.attestation_key(),
                                              quote.substr(0, signed_size));
  quote.replace(signed_size + 4, signature.size(),
                ToString(BytesView(signature)));
  return quote;
}
v1::RefusalCode JudgeBytes(const SimulatedTdx& machine, size_t offset,
                           const std::string& bytes,
                           const TdxGuest& guest = {}) {
  const UnverifiedQuote good = Quote(machine, guest);
  std::string quote = machine.Sign(good);
  quote.replace(offset, bytes.size(), bytes);
  return Code(
      machine.Wrap(SignBytes(machine, quote, SerializeSigned(good).size())),
      machine);
}

std::string* FileOf(v1::Evidence& evidence, const std::string& role) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) return file.mutable_content();
  }
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role(role);
  return file->mutable_content();
}

v1::RefusalCode JudgeFile(const SimulatedTdx& machine, const std::string& role,
                          const std::string& content, const With& with = {}) {
  v1::Evidence evidence = Good(machine);
  *FileOf(evidence, role) = content;
  return Code(evidence, machine, with);
}

// `text` with its one or more `from` replaced.
std::string Replaced(const std::string& text, const std::string& from,
                     const std::string& to) {
  EXPECT_NE(text.find(from), std::string::npos) << from;
  return absl::StrReplaceAll(text, {{from, to}});
}

using Edit = std::pair<std::string, std::string>;

// TCB info with text replaced, signed anew.
std::string TcbInfoWith(const SimulatedTdx& machine,
                        const std::vector<Edit>& edits) {
  std::string body = machine.TcbInfoBody();
  for (const auto& [from, to] : edits) body = Replaced(body, from, to);
  return machine.SignJson("tcbInfo", body);
}
std::string QeIdentityWith(const SimulatedTdx& machine,
                           const std::vector<Edit>& edits) {
  std::string body = machine.QeIdentityBody();
  for (const auto& [from, to] : edits) body = Replaced(body, from, to);
  return machine.SignJson("enclaveIdentity", body);
}
v1::RefusalCode JudgeTcbInfo(const std::vector<Edit>& edits,
                             const SimulatedTdx& machine = Tdx()) {
  return JudgeFile(machine, "tcb_info", TcbInfoWith(machine, edits));
}
v1::RefusalCode JudgeQeIdentity(const std::vector<Edit>& edits,
                                const SimulatedTdx& machine = Tdx()) {
  return JudgeFile(machine, "qe_identity", QeIdentityWith(machine, edits));
}

std::string U16(uint32_t value) {
  return {static_cast<char>(value), static_cast<char>(value >> 8)};
}
std::string U32(uint32_t value) { return U16(value) + U16(value >> 16); }
std::string U64(uint64_t value) {
  return U32(static_cast<uint32_t>(value)) +
         U32(static_cast<uint32_t>(value >> 32));
}

constexpr v1::RefusalCode kAccepted = v1::REFUSAL_CODE_UNSPECIFIED;

// --- What is right ---

TEST(DcapTest, AcceptsEachVersionAndSaysSimulated) {
  for (const TdxGuest& guest : {V4(), V5Td10(), TdxGuest()}) {
    const auto claims = Verify(Good(Tdx(), guest), Tdx());
    ASSERT_TRUE(claims.ok()) << claims.status();
    const v1::CpuClaims& cpu = claims->cpu();
    EXPECT_EQ(cpu.type(), v1::TDX);
    EXPECT_TRUE(cpu.simulated());
    EXPECT_EQ(cpu.anchor(), "simulated-tdx-root");
    EXPECT_EQ(cpu.report_data(), kReportData);
    EXPECT_EQ(cpu.measurement(), guest.mrtd);
    EXPECT_EQ(cpu.tcb_status(), "UpToDate");
    EXPECT_EQ(cpu.dcap().module_tcb_status(), "UpToDate");
    EXPECT_EQ(cpu.tdx().quote_version(), guest.version);
    EXPECT_EQ(cpu.tdx().tee_tcb_svn_2().empty(),
              guest.version == 4 || !guest.is_15);
    EXPECT_EQ(cpu.tdx().rtmr2(), guest.rtmr[2]);
    EXPECT_FALSE(cpu.debug());
    EXPECT_EQ(cpu.dcap().ca(), "platform");
    EXPECT_EQ(cpu.dcap().platform_instance_id().size(), 16u);
  }
  const auto claims = Verify(Good(Sgx()), Sgx());
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().type(), v1::SGX);
  EXPECT_EQ(claims->cpu().measurement(), SgxEnclave().mrenclave);
  EXPECT_EQ(claims->cpu().sgx().mrsigner(), SgxEnclave().mrsigner);
  EXPECT_EQ(claims->cpu().sgx().isv_svn(), 2u);
  EXPECT_EQ(claims->cpu().anchor(), "simulated-sgx-root");
}

TEST(DcapTest, AcceptsThePckOfEitherCa) {
  const SimulatedTdx machine =
      SimulatedTdx::Create(Options(TeeKind::kTdx, /*platform_ca=*/false));
  const auto claims = Verify(Good(machine), machine);
  ASSERT_TRUE(claims.ok()) << claims.status();
  EXPECT_EQ(claims->cpu().dcap().ca(), "processor");
  EXPECT_TRUE(claims->cpu().dcap().platform_instance_id().empty());
  EXPECT_EQ(claims->cpu().chip_id(), claims->cpu().dcap().ppid());
}

TEST(DcapTest, NamesTheCollateralItStoodOn) {
  const v1::Evidence evidence = Good(Tdx());
  const auto claims = Verify(evidence, Tdx());
  ASSERT_TRUE(claims.ok());
  ASSERT_EQ(claims->collateral_size(), 6);
  for (const v1::CollateralClaims& used : claims->collateral()) {
    v1::Evidence copy = evidence;
    EXPECT_EQ(used.digest(),
              crypto::Sha256(AsBytes(*FileOf(copy, used.kind()))));
    EXPECT_FALSE(used.stored());
    const bool dated = used.kind().find("chain") == std::string::npos;
    EXPECT_EQ(used.issued_us(), dated ? absl::ToUnixMicros(kStart) : 0);
    EXPECT_EQ(used.next_update_us(), dated ? absl::ToUnixMicros(kEnd) : 0);
    if (used.kind() == "tcb_info") {
      EXPECT_EQ(used.subject(), "tdx/00806f510000");
      EXPECT_EQ(used.number(), 18u);
    }
    if (used.kind() == "qe_identity") {
      EXPECT_EQ(used.subject(), "TD_QE");
      EXPECT_EQ(used.number(), 17u);
    }
    if (used.kind() == "pck_crl") {
      EXPECT_EQ(used.number(), 1u);
    }
  }
}

// D13, D22: verification shows them; policies refuse them.
TEST(DcapTest, ShowsDebugAndMigration) {
  TdxGuest guest;
  guest.attributes = kTdDebug | kTdMigratable | kTdKl | kTdPks | kTdPerfmon;
  const auto td = Verify(Good(Tdx(), guest), Tdx());
  ASSERT_TRUE(td.ok()) << td.status();
  EXPECT_TRUE(td->cpu().debug());
  EXPECT_TRUE(td->cpu().migratable());
  EXPECT_TRUE(td->cpu().tdx().kl() && td->cpu().tdx().pks() &&
              td->cpu().tdx().perfmon());
  EXPECT_FALSE(td->cpu().tdx().sept_ve_disable());
  SgxEnclave enclave;
  enclave.attributes |= kSgxDebug | kSgxProvisionKey | kSgxKss;
  const auto sgx =
      Verify(Sgx().AttestSgx(AsBytes(kReportData), enclave), Sgx());
  ASSERT_TRUE(sgx.ok()) << sgx.status();
  EXPECT_TRUE(sgx->cpu().debug());
  EXPECT_TRUE(sgx->cpu().sgx().provision_key() && sgx->cpu().sgx().kss());
}

// --- A: bytes, lengths, time ---

// Everything but the PCK chain, which VerifyChain judges: no bit of it is a
// don't-care.
void ExpectEveryFlipRefused(const SimulatedTdx& machine,
                            const std::string& quote) {
  policy::VerifiedCache cache(1 << 20);
  v1::Evidence evidence = machine.Wrap(quote);
  ASSERT_EQ(Code(evidence, machine, {.cache = &cache}), kAccepted);
  std::string& bytes = *FileOf(evidence, "evidence");
  const size_t chain = quote.find("-----BEGIN");
  for (size_t bit = 0; bit < 8 * chain; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const v1::RefusalCode code = Code(evidence, machine, {.cache = &cache});
    ASSERT_NE(code, kAccepted) << "bit " << bit;
    ASSERT_NE(code, v1::INTERNAL_ERROR) << "bit " << bit;
    bytes[bit / 8] = quote[bit / 8];
  }
}

TEST(DcapTest, RejectsEveryBitFlipOfATdx4Quote) {
  ExpectEveryFlipRefused(Tdx(), GoodQuote(Tdx(), V4()));
}
TEST(DcapTest, RejectsEveryBitFlipOfATdx5Quote) {
  ExpectEveryFlipRefused(Tdx(), GoodQuote(Tdx()));
}
TEST(DcapTest, RejectsEveryBitFlipOfAnSgxQuote) {
  ExpectEveryFlipRefused(Sgx(), GoodQuote(Sgx()));
}

// Nobody signs how the chain is wrapped, nor the root: a pin vouches for its
// key, whatever else its certificate says.
bool IsUnsignedPem(const std::string& pem, size_t at, size_t root_at) {
  return absl::ascii_isspace(static_cast<unsigned char>(pem[at])) ||
         at >= root_at;
}

TEST(DcapTest, RejectsAFlipInEachByteOfThePckChain) {
  const std::string quote = GoodQuote(Tdx());
  v1::Evidence evidence = Tdx().Wrap(quote);
  std::string& bytes = *FileOf(evidence, "evidence");
  const size_t chain = quote.find("-----BEGIN");
  const size_t root = quote.rfind("-----BEGIN");
  for (size_t at = chain; at < quote.size(); ++at) {
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    const v1::RefusalCode code = Code(evidence, Tdx());
    if (!IsUnsignedPem(quote, at, root)) {
      ASSERT_NE(code, kAccepted) << at;
    }
    bytes[at] = quote[at];
  }
}

TEST(DcapTest, RejectsAFlipInEachByteOfTheCollateral) {
  const v1::Evidence good = Good(Tdx());
  for (const v1::EvidenceFile& file : good.files()) {
    if (file.role() == "evidence") continue;
    const std::string& content = file.content();
    const bool pem = content.find("-----BEGIN") == 0;
    const bool json = content[0] == '{';
    const size_t root = content.rfind("-----BEGIN");
    const size_t signature = content.rfind(':');
    for (size_t at = 0; at < content.size(); ++at) {
      // Hex has two cases, so that bit of a signature's digit says nothing.
      const int bit = json && at > signature ? 0 : static_cast<int>(at % 8);
      std::string changed = content;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      if (pem && IsUnsignedPem(content, at, root)) continue;
      ASSERT_NE(JudgeFile(Tdx(), file.role(), changed), kAccepted)
          << file.role() << " byte " << at;
    }
  }
}

// A2: the signature's length ends a quote. What follows is the rest of the
// buffer that it came in, and says nothing.
TEST(DcapTest, RejectsEveryTruncationAndIgnoresPadding) {
  for (const std::string& quote :
       {GoodQuote(Tdx(), V4()), GoodQuote(Tdx()), GoodQuote(Sgx())}) {
    for (size_t size = 0; size < quote.size(); ++size) {
      ASSERT_EQ(RefusalOf(ParseQuote(AsBytes(quote.substr(0, size))).status()),
                v1::EVIDENCE_MALFORMED)
          << size;
    }
    EXPECT_TRUE(ParseQuote(AsBytes(quote + std::string(64, '\0'))).ok());
    EXPECT_TRUE(ParseQuote(AsBytes(quote + quote)).ok());
    EXPECT_EQ(
        RefusalOf(
            ParseQuote(AsBytes(quote + std::string(64 * 1024, '\0'))).status()),
        v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(Code(Tdx().Wrap(GoodQuote(Tdx()) + "padding"), Tdx()), kAccepted);
}

// A3, A4: each length by itself. Offsets from the end of the signed part.
TEST(DcapTest, RejectsLengthsThatDoNotAddUp) {
  for (const SimulatedTdx* machine : {&Tdx(), &Sgx()}) {
    const bool tdx = machine == &Tdx();
    const size_t end = SerializeSigned(Quote(*machine)).size();
    const size_t qe = end + 4 + 128 + (tdx ? 6 : 0);
    const std::string good = GoodQuote(*machine);
    std::vector<size_t> at = {end, qe + 384 + 64 + 2 + 32 + 2};
    if (tdx) at.push_back(end + 4 + 128 + 2);
    for (size_t offset : at) {
      const uint32_t have = static_cast<uint8_t>(good[offset]) |
                            static_cast<uint8_t>(good[offset + 1]) << 8;
      for (uint32_t size : {0u, 1u, have - 1, have + 1, 0x7fffffffu,
                            0x80000000u, 0xffffffffu}) {
        std::string quote = good;
        quote.replace(offset, 4, U32(size));
        EXPECT_EQ(Code(machine->Wrap(quote), *machine), v1::EVIDENCE_MALFORMED)
            << offset << " " << size;
      }
    }
    for (uint32_t size : {0u, 31u, 33u, 1025u, 0xffffu}) {
      std::string quote = good;
      quote.replace(qe + 384 + 64, 2, U16(size));
      // Another length shifts what follows, so the kind of data may be odd.
      const v1::RefusalCode code = Code(machine->Wrap(quote), *machine);
      EXPECT_TRUE(code == v1::EVIDENCE_MALFORMED ||
                  code == v1::EVIDENCE_UNSUPPORTED)
          << size;
    }
  }
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.qe_auth_data.resize(1025);
  EXPECT_EQ(RefusalOf(ParseQuote(AsBytes(SerializeQuote(quote))).status()),
            v1::EVIDENCE_MALFORMED);
}

// A7.
TEST(DcapTest, RejectsAnotherTypesLabel) {
  v1::Evidence td = Good(Tdx());
  td.set_type(v1::SGX);
  EXPECT_EQ(Code(td, Tdx()), v1::EVIDENCE_MALFORMED);
  v1::Evidence sgx = Good(Sgx());
  sgx.set_type(v1::TDX);
  EXPECT_EQ(Code(sgx, Sgx()), v1::EVIDENCE_MALFORMED);
}

// A8, D19.
TEST(DcapTest, RejectsOtherHeaders) {
  for (uint32_t version : {0u, 1u, 2u, 6u, 0xffffu}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 0, U16(version)), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t key_type : {0u, 1u, 3u, 0xffffu}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 2, U16(key_type)), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t tee : {0u, 1u, 0x82u, 0x80000081u}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 4, U32(tee)), v1::EVIDENCE_UNSUPPORTED);
    EXPECT_EQ(JudgeBytes(Tdx(), 4, U32(tee), V4()), v1::EVIDENCE_UNSUPPORTED);
  }
  for (uint32_t tee : {1u, 0x81u}) {
    EXPECT_EQ(JudgeBytes(Sgx(), 4, U32(tee)), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(JudgeBytes(Sgx(), 0, U16(4)), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(JudgeBytes(Tdx(), 0, U16(3)), v1::EVIDENCE_UNSUPPORTED);
  for (size_t at : {8, 11}) {
    EXPECT_EQ(JudgeBytes(Tdx(), at, "\1"), v1::EVIDENCE_MALFORMED);
  }
  for (size_t at : {12, 27}) {
    EXPECT_EQ(JudgeBytes(Tdx(), at, "\1"), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(JudgeBytes(Sgx(), at, "\1"), v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeBytes(Tdx(), 28, "\1"), kAccepted);  // The QE's own words.
}

// A9: both boundary seconds are inside.
TEST(DcapTest, HoldsEverythingToItsTime) {
  const v1::Evidence evidence = Good(Tdx());
  policy::VerifiedCache cache(1 << 20);
  for (policy::VerifiedCache* c :
       {static_cast<policy::VerifiedCache*>(nullptr), &cache}) {
    EXPECT_EQ(Code(evidence, Tdx(), {.now = kStart, .cache = c}), kAccepted);
    EXPECT_EQ(Code(evidence, Tdx(), {.now = kEnd, .cache = c}), kAccepted);
    EXPECT_EQ(
        Code(evidence, Tdx(), {.now = kStart - absl::Seconds(1), .cache = c}),
        v1::CERTIFICATE_NOT_YET_VALID);
    EXPECT_EQ(
        Code(evidence, Tdx(), {.now = kEnd + absl::Seconds(1), .cache = c}),
        v1::CERTIFICATE_EXPIRED);
  }
  EXPECT_EQ(cache.size(), 1u);
}

// --- B: certificates and CRLs ---

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

// The quote with another PCK chain.
v1::RefusalCode JudgeChain(const std::vector<std::string>& certificates,
                           const With& with = {}) {
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.pck_chain.clear();
  for (const std::string& der : certificates) {
    quote.pck_chain += x509::ToPem(AsBytes(der), kPem);
  }
  return Code(Tdx().Wrap(SerializeQuote(quote)), Tdx(), with);
}

// The PCK issued anew with a change.
v1::RefusalCode JudgePck(
    const std::function<void(x509::CertificateSpec&)>& change) {
  x509::CertificateSpec spec = Tdx().PckSpec();
  change(spec);
  return JudgeChain({x509::IssueCertificate(spec, Tdx().pck_ca_key()),
                     Tdx().pck_ca().der(), Tdx().root().der()});
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

// --- D: what Intel's Evidence in particular may lie about ---

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

// D2: the quoting enclave.
TEST(DcapTest, RejectsOtherQuotingEnclaves) {
  for (const SimulatedTdx* machine : {&Tdx(), &Sgx()}) {
    EXPECT_EQ(JudgeQe(*machine, [](auto&) {}), kAccepted);
    const auto judge = [&](const std::function<void(SgxReport&)>& change) {
      return JudgeQe(*machine,
                     [&](UnverifiedQuote& q) { change(q.qe_report); });
    };
    EXPECT_EQ(judge([](SgxReport& r) { r.mrsigner[31] ^= 1; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.isv_prod_id ^= 3; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.misc_select = 1; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.attributes |= kSgxDebug; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.attributes |= kSgxKss; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.attributes &= ~kSgxProvisionKey; }),
              v1::MEASUREMENT_MISMATCH);
    EXPECT_EQ(judge([](SgxReport& r) { r.xfrm = 3; }), kAccepted);  // Masked.
    EXPECT_EQ(judge([](SgxReport& r) { r.mrenclave[0] ^= 1; }), kAccepted);
    EXPECT_EQ(judge([](SgxReport& r) { r.isv_svn = 5; }), v1::TCB_UNSUPPORTED);
    EXPECT_EQ(judge([](SgxReport& r) { r.isv_svn = 60000; }), kAccepted);
  }
  // The upper half of the attributes, where the mask has it.
  EXPECT_EQ(JudgeQeIdentity({{"FBFFFFFFFFFFFFFF0000000000000000",
                              "FBFFFFFFFFFFFFFF0400000000000000"}}),
            v1::MEASUREMENT_MISMATCH);
  // A debug quoting enclave, by an identity that does not look at the bit.
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.qe_report.attributes |= kSgxDebug;
  Tdx().SignQe(quote);
  Tdx().SignBody(quote);
  v1::Evidence debug = Tdx().Wrap(SerializeQuote(quote));
  *FileOf(debug, "qe_identity") =
      QeIdentityWith(Tdx(), {{"FBFFFFFF", "F9FFFFFF"}});
  EXPECT_EQ(Code(debug, Tdx()), v1::MEASUREMENT_MISMATCH);
}

// D3.
TEST(DcapTest, RejectsAQuotingEnclaveThatNamesAnotherKey) {
  for (size_t at : {0, 31, 32, 63}) {
    EXPECT_EQ(
        JudgeQe(Tdx(),
                [&](UnverifiedQuote& q) { q.qe_report.report_data[at] ^= 1; }),
        v1::EVIDENCE_INCONSISTENT);
  }
  EXPECT_EQ(JudgeQe(Tdx(), [](UnverifiedQuote& q) { q.qe_auth_data[0] ^= 1; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeQe(Tdx(), [](UnverifiedQuote& q) { q.qe_auth_data += 'x'; }),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(JudgeQe(Tdx(), [](UnverifiedQuote& q) { q.qe_auth_data.clear(); }),
            v1::EVIDENCE_INCONSISTENT);
  // A quote by a key of the attacker's own.
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  quote.attestation_key = simtee::RawPoint(OtherTdx().attestation_key());
  OtherTdx().SignBody(quote);
  EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx()),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(
      JudgeQe(Tdx(), [](UnverifiedQuote& q) { q.attestation_key.fill(1); }),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      JudgeQe(Tdx(), [](UnverifiedQuote& q) { q.attestation_key.fill(0); }),
      v1::EVIDENCE_MALFORMED);
}

// D4, B9.
TEST(DcapTest, RejectsSignaturesOfOtherKeys) {
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  OtherTdx().SignQe(quote);
  EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx()),
            v1::SIGNATURE_INVALID);
  quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
  OtherTdx().SignBody(quote);
  EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx()),
            v1::SIGNATURE_INVALID);
  using Field = std::array<uint8_t, 64> UnverifiedQuote::*;
  for (Field field :
       {&UnverifiedQuote::signature, &UnverifiedQuote::qe_report_signature}) {
    for (size_t half : {0, 32}) {
      for (int value : {0, 255}) {
        quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));
        std::fill_n((quote.*field).begin() + half, 32,
                    static_cast<uint8_t>(value));
        EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx()),
                  v1::SIGNATURE_INVALID);
      }
    }
    quote = *ParseQuote(AsBytes(GoodQuote(Tdx())));  // Little-endian.
    std::reverse((quote.*field).begin(), (quote.*field).begin() + 32);
    std::reverse((quote.*field).begin() + 32, (quote.*field).end());
    EXPECT_EQ(Code(Tdx().Wrap(SerializeQuote(quote)), Tdx()),
              v1::SIGNATURE_INVALID);
  }
  // The PCK of another platform under the same CA.
  const x509::IssuerKey key = x509::IssuerKey::GenerateEc(crypto::Curve::kP256);
  EXPECT_EQ(
      JudgePck([&](x509::CertificateSpec& spec) { spec.spki = key.Spki(); }),
      v1::SIGNATURE_INVALID);
  EXPECT_EQ(JudgePck([&](x509::CertificateSpec& spec) {
              spec.spki =
                  x509::IssuerKey::GenerateEc(crypto::Curve::kP384).Spki();
            }),
            v1::SIGNATURE_INVALID);
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

std::string StatusOfClaims(const absl::StatusOr<v1::Claims>& claims) {
  return claims.ok() ? claims->cpu().tcb_status()
                     : RefusalName(RefusalOf(claims.status()));
}

// The rating by a PCK with other security version numbers, on one platform.
std::string Rate(const std::function<void(PckExtension&)>& change,
                 const TdxGuest& guest = {}) {
  PckExtension extension = Tdx().pck_extension();
  change(extension);
  x509::CertificateSpec spec = Tdx().PckSpec();
  spec.extensions.back().value = simtee::SerializePckExtension(extension);
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx(), guest)));
  quote.pck_chain =
      x509::ToPem(AsBytes(x509::IssueCertificate(spec, Tdx().pck_ca_key())),
                  kPem) +
      x509::ToPem(AsBytes(Tdx().pck_ca().der()), kPem);
  return StatusOfClaims(Verify(Tdx().Wrap(SerializeQuote(quote)), Tdx()));
}

// D8: each component by itself, never as one number.
TEST(DcapTest, ComparesEachComponentByItself) {
  const PckExtension have = Tdx().pck_extension();
  EXPECT_EQ(Rate([](auto&) {}), "UpToDate");
  for (size_t at = 0; at < 16; ++at) {
    if (have.components[at] == 0) continue;
    // The lower level has one less in component 1 only.
    EXPECT_EQ(Rate([&](PckExtension& e) {
                e.components.fill(255);
                e.components[at] =
                    static_cast<uint8_t>(have.components[at] - 1);
              }),
              at == 1 ? "OutOfDate" : "TCB_UNSUPPORTED")
        << at;
  }
  EXPECT_EQ(Rate([](PckExtension& e) {
              e.components.fill(255);
              --e.pce_svn;
            }),
            "TCB_UNSUPPORTED");
  // CPUSVN is how the CPU writes the same numbers; no level names it.
  EXPECT_EQ(Rate([](PckExtension& e) { e.cpu_svn.fill(0); }), "UpToDate");

  const auto rate_tdx = [](std::array<uint8_t, 16> svn) {
    TdxGuest guest;
    guest.tee_tcb_svn = svn;
    return StatusOfClaims(Verify(Good(Tdx(), guest), Tdx()));
  };
  EXPECT_EQ(rate_tdx({5, 0, 6}), "UpToDate");
  EXPECT_EQ(rate_tdx({4, 0, 6}), "OutOfDate");
  EXPECT_EQ(rate_tdx({2, 0, 6}), "TCB_UNSUPPORTED");
  EXPECT_EQ(rate_tdx({5, 0, 5}), "OutOfDate");
  EXPECT_EQ(rate_tdx({255, 0, 3}), "TCB_UNSUPPORTED");
  // With a module of a version of its own, components 0 and 1 are skipped.
  EXPECT_EQ(rate_tdx({5, 1, 5}), "OutOfDate");
  EXPECT_EQ(rate_tdx({255, 1, 3}), "TCB_UNSUPPORTED");
}

TEST(DcapTest, TakesTheFirstLevelOfTheSortedOnes) {
  // The lower level first, as no file of Intel's has it: sorted, as QVL does.
  std::string body = Tdx().TcbInfoBody();
  const size_t first = body.rfind("{\"tcb\":{\"sgxtcbcomponents\"");
  const size_t before = body.rfind("{\"tcb\":{\"sgxtcbcomponents\"", first - 1);
  const std::string upper = body.substr(before, first - 1 - before);
  const std::string lower = body.substr(first, body.size() - 2 - first);
  body = body.substr(0, before) + lower + "," + upper + "]}";
  v1::Evidence evidence = Good(Tdx());
  *FileOf(evidence, "tcb_info") = Tdx().SignJson("tcbInfo", body);
  EXPECT_EQ(StatusOfClaims(Verify(evidence, Tdx())), "UpToDate");
  // One level twice: which status would count?
  body = body.substr(0, body.size() - 2) + "," +
         Replaced(upper, "UpToDate", "OutOfDate") + "]}";
  EXPECT_EQ(JudgeFile(Tdx(), "tcb_info", Tdx().SignJson("tcbInfo", body)),
            v1::ENDORSEMENT_MALFORMED);
}

// The statuses of the platform, the module and the quoting enclave, as Intel's
// library merges them.
std::string Merged(const std::string& platform, const std::string& module,
                   const std::string& qe) {
  std::string tcb_info = Tdx().TcbInfoBody();
  const auto set = [](std::string& text, size_t from, const std::string& to) {
    const size_t at = text.find("\"UpToDate\"", from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, 10, "\"" + to + "\"");
  };
  set(tcb_info, tcb_info.find("pcesvn"), platform);
  set(tcb_info, tcb_info.find("TDX_01"), module);
  std::string identity = Tdx().QeIdentityBody();
  set(identity, 0, qe);
  v1::Evidence evidence = Good(Tdx());
  *FileOf(evidence, "tcb_info") = Tdx().SignJson("tcbInfo", tcb_info);
  *FileOf(evidence, "qe_identity") =
      Tdx().SignJson("enclaveIdentity", identity);
  return StatusOfClaims(Verify(evidence, Tdx()));
}

// D9.
TEST(DcapTest, MergesStatusesAsIntelDoes) {
  const std::string up = "UpToDate", out = "OutOfDate",
                    out_config = "OutOfDateConfigurationNeeded";
  const std::map<std::string, std::string> outdated = {
      {up, out},
      {"SWHardeningNeeded", out},
      {"ConfigurationNeeded", out_config},
      {"ConfigurationAndSWHardeningNeeded", out_config},
      {out, out},
      {out_config, out_config}};
  for (const auto& [platform, merged] : outdated) {
    EXPECT_EQ(Merged(platform, up, up), platform);
    EXPECT_EQ(Merged(platform, out, up), merged);
    EXPECT_EQ(Merged(platform, up, out), merged);
    EXPECT_EQ(Merged(platform, out, out), merged);
    EXPECT_EQ(Merged(platform, "Revoked", up), "TCB_REVOKED");
    EXPECT_EQ(Merged(platform, up, "Revoked"), "TCB_REVOKED");
  }
  EXPECT_EQ(Merged("Revoked", up, up), "TCB_REVOKED");
  EXPECT_EQ(Merged("Revoked", out, out), "TCB_REVOKED");
  for (const std::string word :
       {"", "uptodate", "UpToDate ", "Fine", "TDRelaunchAdvised"}) {
    EXPECT_EQ(Merged(word, up, up), "ENDORSEMENT_MALFORMED");
    EXPECT_EQ(Merged(up, word, up), "ENDORSEMENT_MALFORMED");
    EXPECT_EQ(Merged(up, up, word), "ENDORSEMENT_MALFORMED");
  }
}

// The SGX side is at a revoked level, the TDX side at a lower one that is not.
TEST(DcapTest, RejectsARevokedSgxLevelUnderATd) {
  std::string body = Tdx().TcbInfoBody();
  body.replace(body.find("\"UpToDate\"", body.find("pcesvn")), 10,
               "\"Revoked\"");
  TdxGuest guest;
  guest.tee_tcb_svn = {4, 0, 6};
  v1::Evidence evidence = Good(Tdx(), guest);
  ASSERT_EQ(StatusOfClaims(Verify(evidence, Tdx())), "OutOfDate");
  *FileOf(evidence, "tcb_info") = Tdx().SignJson("tcbInfo", body);
  EXPECT_EQ(StatusOfClaims(Verify(evidence, Tdx())), "TCB_REVOKED");
}

TEST(DcapTest, ShowsEveryPartsStatusAndAdvisories) {
  TdxGuest guest;
  guest.tee_tcb_svn = {2, 1, 4};
  UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx(), guest)));
  quote.qe_report.isv_svn = 6;
  quote.td->tee_tcb_svn_2 = {};
  Tdx().SignQe(quote);
  Tdx().SignBody(quote);
  const auto claims = Verify(Tdx().Wrap(SerializeQuote(quote)), Tdx());
  ASSERT_TRUE(claims.ok()) << claims.status();
  const v1::CpuClaims& cpu = claims->cpu();
  EXPECT_EQ(cpu.tcb_status(), "OutOfDate");
  EXPECT_EQ(cpu.dcap().platform_tcb_status(), "OutOfDate");
  EXPECT_EQ(cpu.dcap().qe_tcb_status(), "OutOfDate");
  EXPECT_EQ(cpu.dcap().module_tcb_status(), "OutOfDate");
  EXPECT_EQ(
      std::vector<std::string>(cpu.advisory_ids().begin(),
                               cpu.advisory_ids().end()),
      std::vector<std::string>(
          {"SIMULATED-SA-00001", "SIMULATED-SA-00002", "SIMULATED-SA-00003"}));
  EXPECT_EQ(cpu.dcap().advisory_ids_size(), 2);
  EXPECT_EQ(cpu.dcap().qe_isv_svn(), 6u);
}

// QVL's TDRelaunchCheck.
TEST(DcapTest, AdvisesRelaunchWhereTheRunningModuleIsTheLatest) {
  const auto rate = [](
                        std::array<uint8_t, 16> launched,
                        std::array<uint8_t, 16> running,
                        const std::string& platform = "UpToDate",
                        const std::function<void(UnverifiedQuote&)>& change =
                            [](UnverifiedQuote&) {}) {
    TdxGuest guest;
    guest.tee_tcb_svn = launched;
    UnverifiedQuote quote = *ParseQuote(AsBytes(GoodQuote(Tdx(), guest)));
    quote.td->tee_tcb_svn_2 = running;
    change(quote);
    Tdx().SignQe(quote);
    Tdx().SignBody(quote);
    std::string tcb_info = Tdx().TcbInfoBody();
    const size_t at = tcb_info.find("\"UpToDate\"", tcb_info.find("pcesvn"));
    tcb_info.replace(at, 10, "\"" + platform + "\"");
    v1::Evidence evidence = Tdx().Wrap(SerializeQuote(quote));
    *FileOf(evidence, "tcb_info") = Tdx().SignJson("tcbInfo", tcb_info);
    return StatusOfClaims(Verify(evidence, Tdx()));
  };
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 6}), "TDRelaunchAdvised");
  EXPECT_EQ(rate({2, 1, 6}, {3, 3, 6}), "TDRelaunchAdvised");
  EXPECT_EQ(rate({2, 1, 6}, {5, 0, 6}), "TDRelaunchAdvised");
  EXPECT_EQ(rate({2, 1, 4}, {5, 1, 6}), "TDRelaunchAdvised");
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 6}, "ConfigurationNeeded"),
            "TDRelaunchAdvisedConfigurationNeeded");
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 6}, "SWHardeningNeeded"),
            "TDRelaunchAdvised");
  // The running one is not the latest either, or something else is old.
  EXPECT_EQ(rate({2, 1, 6}, {4, 1, 6}), "OutOfDate");
  EXPECT_EQ(rate({2, 1, 6}, {4, 0, 6}), "OutOfDate");
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 5}), "OutOfDate");
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 6}, "OutOfDate"), "OutOfDate");
  EXPECT_EQ(rate({2, 1, 6}, {5, 1, 6}, "UpToDate",
                 [](UnverifiedQuote& q) { q.qe_report.isv_svn = 6; }),
            "OutOfDate");
  EXPECT_EQ(rate({2, 0, 6}, {5, 1, 6}), "TCB_UNSUPPORTED");
  EXPECT_EQ(rate({4, 0, 6}, {5, 1, 6}), "OutOfDate");  // No module's own level.
  EXPECT_EQ(rate({2, 1, 6}, {9, 9, 9}), "ENDORSEMENT_MISMATCH");
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
    EXPECT_EQ(judge({start, later}), v1::CERTIFICATE_NOT_YET_VALID);
    EXPECT_EQ(judge({end, earlier}), v1::CERTIFICATE_EXPIRED);
    for (const std::string bad :
         {"2025-01-02T00:00:00", "2025-01-02 00:00:00Z", "2025-02-30T00:00:00Z",
          "2025-01-02T24:00:01Z", "2025-01-02T00:00:00+00:00", "soon",
          "2025-01-02T00:00:00.5Z", " 2025-01-02T00:00:00Z"}) {
      EXPECT_EQ(judge({start, bad}), v1::ENDORSEMENT_MALFORMED) << bad;
    }
  }
}

// D11.
TEST(DcapTest, RejectsModulesThatTheTcbInfoDoesNotKnow) {
  EXPECT_EQ(Judge(Tdx(), [](UnverifiedQuote& q) { q.td->mrsignerseam[0] = 1; }),
            v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(Judge(Tdx(),
                  [](UnverifiedQuote& q) {
                    q.td->tee_tcb_svn = {5, 0, 6};
                    q.td->mrsignerseam[47] = 1;
                  }),
            v1::MEASUREMENT_MISMATCH);
  const auto with_svn = [](std::array<uint8_t, 16> svn) {
    return Judge(Tdx(), [svn](UnverifiedQuote& q) { q.td->tee_tcb_svn = svn; });
  };
  EXPECT_EQ(with_svn({1, 1, 6}), v1::TCB_UNSUPPORTED);
  EXPECT_EQ(with_svn({5, 2, 6}), v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(with_svn({2, 3, 6}), v1::TCB_UNSUPPORTED);
  EXPECT_EQ(with_svn({3, 3, 6}), kAccepted);
  // The module's own reference values.
  EXPECT_EQ(JudgeTcbInfo({{std::string(96, '0'), std::string(95, '0') + "1"}}),
            v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"\"attributes\":\"0000000000000000\"",
                           "\"attributes\":\"0100000000000000\""}}),
            v1::MEASUREMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"\"tdxModule\":", "\"other\":"}}),
            v1::ENDORSEMENT_MALFORMED);
  EXPECT_EQ(JudgeTcbInfo({{"\"tdxModuleIdentities\":", "\"other\":"}}),
            v1::ENDORSEMENT_MISMATCH);
  EXPECT_EQ(JudgeTcbInfo({{"TDX_01", "tdx_01"}}), kAccepted);
  for (const std::string id :
       {"TDX_03", "TDX_1", "TDX_001", "TDX01", "", "x"}) {
    EXPECT_EQ(JudgeTcbInfo({{"TDX_01", id}}), v1::ENDORSEMENT_MALFORMED) << id;
  }
}

// D12, D13, D15.
TEST(DcapTest, RejectsTdAttributesThatItDoesNotKnow) {
  const TdxGuest v4 = V4();
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t value = 1ull << bit;
    EXPECT_EQ(JudgeBytes(Tdx(), 54 + 0x70, U64(value)),
              v1::EVIDENCE_UNSUPPORTED);
    EXPECT_EQ(JudgeBytes(Tdx(), 48 + 0x78, U64(value), v4),
              (value & kTdKnown) != 0 ? kAccepted : v1::EVIDENCE_UNSUPPORTED)
        << bit;
    EXPECT_EQ(JudgeBytes(Tdx(), 48 + 0x80, U64(value | kXfamFixed1), v4),
              ((value | kXfamFixed1) & ~kXfamKnown) == 0
                  ? kAccepted
                  : v1::EVIDENCE_UNSUPPORTED)
        << bit;
  }
  for (uint64_t xfam : {0u, 1u, 2u, 4u}) {
    EXPECT_EQ(JudgeBytes(Tdx(), 54 + 0x80, U64(xfam)), v1::EVIDENCE_MALFORMED);
  }
}

// D16, D14: all of them are claims, as they stand.
TEST(DcapTest, ShowsEveryMeasurement) {
  UnverifiedQuote quote = Quote(Tdx());
  TdReport& td = *quote.td;
  td.mrconfigid.fill(1);
  td.mrowner.fill(2);
  td.mrownerconfig.fill(3);
  td.mrservicetd.fill(4);
  td.rtmr[3].fill(5);
  const auto claims = Verify(Tdx().Wrap(Tdx().Sign(quote)), Tdx());
  ASSERT_TRUE(claims.ok());
  const v1::TdxClaims& tdx = claims->cpu().tdx();
  EXPECT_EQ(tdx.mrconfigid(), std::string(48, '\1'));
  EXPECT_EQ(tdx.mrowner(), std::string(48, '\2'));
  EXPECT_EQ(tdx.mrownerconfig(), std::string(48, '\3'));
  EXPECT_EQ(tdx.mrservicetd(), std::string(48, '\4'));
  EXPECT_EQ(tdx.rtmr3(), std::string(48, '\5'));
  EXPECT_EQ(tdx.rtmr0(), TdxGuest().rtmr[0]);
  EXPECT_EQ(tdx.mrseam(), std::string(48, '\x5e'));
  EXPECT_EQ(tdx.mrsignerseam(), std::string(48, '\0'));
}

// D18.
TEST(DcapTest, RejectsBodiesOfAnotherTypeOrSize) {
  const auto judge = [](uint32_t type, uint32_t size, const TdxGuest& guest) {
    return JudgeBytes(Tdx(), 48, U16(type) + U32(size), guest);
  };
  EXPECT_EQ(judge(3, 648, {}), kAccepted);
  EXPECT_EQ(judge(2, 584, V5Td10()), kAccepted);
  EXPECT_EQ(judge(2, 648, {}), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(3, 584, V5Td10()), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(3, 647, {}), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(judge(3, 0xffffffff, {}), v1::EVIDENCE_MALFORMED);
  for (uint32_t type : {0u, 1u, 4u, 0xffffu}) {
    EXPECT_EQ(judge(type, 648, {}), v1::EVIDENCE_UNSUPPORTED);
  }
  EXPECT_EQ(judge(1, 384, {}), v1::EVIDENCE_UNSUPPORTED);
  // 584 bytes where 648 stand: the rest is then read as the signature.
  EXPECT_NE(judge(2, 584, {}), kAccepted);
  EXPECT_NE(judge(3, 648, V5Td10()), kAccepted);
}

// D20.
TEST(DcapTest, RejectsOtherCertificationData) {
  for (const SimulatedTdx* machine : {&Tdx(), &Sgx()}) {
    const bool tdx = machine == &Tdx();
    const size_t outer = SerializeSigned(Quote(*machine)).size() + 4 + 128;
    const size_t inner = outer + (tdx ? 6 : 0) + 384 + 64 + 2 + 32;
    for (uint32_t type : {0u, 1u, 2u, 3u, 4u, 6u, 7u, 0xffffu}) {
      std::string quote = GoodQuote(*machine);
      quote.replace(inner, 2, U16(type));
      EXPECT_EQ(Code(machine->Wrap(quote), *machine), v1::EVIDENCE_UNSUPPORTED);
      if (!tdx) continue;
      quote = GoodQuote(*machine);
      quote.replace(outer, 2, U16(type == 6 ? 5 : type));
      EXPECT_EQ(Code(machine->Wrap(quote), *machine), v1::EVIDENCE_UNSUPPORTED);
    }
  }
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

// D22.
TEST(DcapTest, RejectsImpossibleEnclaves) {
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t value = 1ull << bit | kSgxInit;
    EXPECT_EQ(JudgeBytes(Sgx(), 48 + 0x30, U64(value)),
              (value & ~kSgxKnown) == 0 ? kAccepted : v1::EVIDENCE_UNSUPPORTED)
        << bit;
  }
  for (int bit = 0; bit < 32; ++bit) {
    const uint32_t value = 1u << bit;
    EXPECT_EQ(
        JudgeBytes(Sgx(), 48 + 0x10, U32(value)),
        (value & ~kSgxMiscKnown) == 0 ? kAccepted : v1::EVIDENCE_UNSUPPORTED)
        << bit;
  }
  EXPECT_EQ(JudgeBytes(Sgx(), 48 + 0x30, U64(kSgxMode64Bit)),
            v1::EVIDENCE_MALFORMED);
  for (size_t at : {0x15, 0x1f, 0x60, 0x7f, 0xa0, 0xbf, 0x106, 0x12f}) {
    EXPECT_EQ(JudgeBytes(Sgx(), 48 + at, "\1"), v1::EVIDENCE_MALFORMED) << at;
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

// --- Roles, binding, collateral store, cache ---

TEST(DcapTest, RejectsRolesThatItHasNoUseFor) {
  for (const std::string role : {"vcek", "cert_chain", "crl", "rim_driver"}) {
    EXPECT_EQ(JudgeFile(Tdx(), role, "x"), v1::EVIDENCE_MALFORMED);
  }
  EXPECT_EQ(JudgeFile(Sgx(), "event_log", "x"), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(JudgeFile(Tdx(), "event_log", "x"), v1::EVIDENCE_MALFORMED);
  v1::Evidence large = Good(Tdx());
  for (const std::string role :
       {"tcb_info_issuer_chain", "qe_identity_issuer_chain"}) {
    *FileOf(large, role) += std::string(800 * 1024, '\n');
  }
  EXPECT_EQ(Code(large, Tdx()), v1::REQUEST_TOO_LARGE);
}

TEST(DcapTest, HoldsTheNonceToTheReportData) {
  EXPECT_EQ(JudgeFile(Tdx(), "nonce", kReportData), kAccepted);
  EXPECT_EQ(JudgeFile(Sgx(), "nonce", kReportData), kAccepted);
  EXPECT_EQ(JudgeFile(Tdx(), "nonce", kReportData.substr(1)),
            v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(JudgeFile(Tdx(), "nonce", ""), v1::EVIDENCE_NOT_BOUND);
}

// C15, in kind: all 64 bytes count.
TEST(DcapTest, BindsTheWholeReportData) {
  for (const SimulatedTdx* machine : {&Tdx(), &Sgx()}) {
    const auto claims = Verify(Good(*machine), *machine);
    ASSERT_TRUE(claims.ok());
    EXPECT_TRUE(policy::CheckReportData(*claims, AsBytes(kReportData)).ok());
    for (size_t at : {0, 31, 32, 63}) {
      std::string want = kReportData;
      want[at] = '\0';
      EXPECT_EQ(RefusalOf(policy::CheckReportData(*claims, AsBytes(want))),
                v1::EVIDENCE_NOT_BOUND);
    }
  }
}

policy::CollateralItem Item(const std::string& role, const std::string& subject,
                            const std::string& content) {
  return {.role = role,
          .subject = subject,
          .content = content,
          .digest = crypto::Sha256(AsBytes(content))};
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

  const policy::Collateral crl({Item("crl", "any", revoking)});
  EXPECT_EQ(Code(good, Tdx(), {.cache = &cache, .collateral = &crl}),
            v1::CERTIFICATE_REVOKED);
  // The list of a CA of the same name and another key is another CA's.
  const policy::Collateral others_crl(
      {Item("crl", "any", OtherTdx().PckCrl())});
  EXPECT_EQ(Code(good, Tdx(), {.collateral = &others_crl}), kAccepted);

  // All of it stored, none with the quote.
  const policy::Collateral all(
      {Item("tcb_info", subject, TcbInfoWith(Tdx(), {})),
       Item("tcb_info_issuer_chain", subject, Tdx().SignerChainPem()),
       Item("qe_identity", "TD_QE", QeIdentityWith(Tdx(), {})),
       Item("qe_identity_issuer_chain", "TD_QE", Tdx().SignerChainPem()),
       Item("crl", "a", Tdx().PckCrl()), Item("crl", "b", Tdx().RootCaCrl())});
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
      {Item("crl", "root", x509::IssueCrl(revoked, Tdx().root_key()))});
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
  const policy::Collateral crls({Item("crl", "a", OtherTdx().RootCaCrl()),
                                 Item("crl", "b", Tdx().RootCaCrl()),
                                 Item("crl", "c", OtherTdx().PckCrl()),
                                 Item("crl", "d", Tdx().PckCrl())});
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

TEST(SimulatedTdxTest, SerializesWhatItParses) {
  for (const std::string& bytes :
       {GoodQuote(Tdx(), V4()), GoodQuote(Tdx(), V5Td10()), GoodQuote(Tdx()),
        GoodQuote(Sgx()) + "rest"}) {
    EXPECT_EQ(SerializeQuote(*ParseQuote(AsBytes(bytes))), bytes);
  }
  const auto extension = ParsePckExtension(
      AsBytes(simtee::SerializePckExtension(Tdx().pck_extension())));
  ASSERT_TRUE(extension.ok());
  EXPECT_EQ(simtee::SerializePckExtension(*extension),
            simtee::SerializePckExtension(Tdx().pck_extension()));
}

}  // namespace
}  // namespace kms::dcap
