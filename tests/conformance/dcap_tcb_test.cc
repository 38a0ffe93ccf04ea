// What a quote, its quoting enclave and the levels of its platform may lie
// about (rows D2 to D4, D8, D9, D11 to D22). Each row is otherwise valid and
// signed anew, and has one code.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kms/crypto/x509/issue.h"
#include "kms/crypto/x509/pem.h"
#include "policy/dcap/quote.h"
#include "tests/conformance/dcap_fixture.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

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

}  // namespace
}  // namespace kms::dcap
