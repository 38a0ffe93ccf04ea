// What is right about TDX and SGX Evidence, its roles and its binding;
// dcap_*_test.cc have the lies.
#include <gtest/gtest.h>

#include <string>

#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/verifier.h"
#include "tests/conformance/dcap_fixture.h"
#include "tools/simtee/tdx.h"

namespace kms::dcap {
namespace {

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
