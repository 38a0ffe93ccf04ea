// The main job with a real TPM: kms-agent has it quote our challenge, and gets
// the key. No part of the Evidence is simulated. Then the same machine after
// somebody measured something else, a replay, and other lies.

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "kms/base/bytes.h"
#include "tests/integration/service.h"
#include "tests/integration/swtpm_process.h"

namespace kms::testing {
namespace {

constexpr char kAk[] = "0x81010002";
constexpr char kSecret[] = "a key of 32 bytes for the test..";

// PCR 7 after one extension of a fresh TPM by SHA-256("boot"), and PCR 0 as
// TPM2_Startup leaves it.
constexpr char kPolicy[] = R"(name: machines
evidence: [{type: tpm, count: 1}]
anchors: [rack-7]
rules:
  - id: bank
    expr: claims.tpm.pcr_bank == '@BANK@'
    message: the quote is of another bank
  - id: booted-as-known
    expr: claims.tpm.pcrs[7u] == unhex('@PCR7@')
    message: PCR 7 is not that of the approved boot
  - id: clock
    expr: claims.tpm.clock_safe
    message: the TPM's clock may have gone back
release: {lease: 1h}
)";

class TpmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = ReadLink();
    machine_ = MakeFolder();
    auto tpm = SwtpmProcess::Start(machine_);
    ASSERT_TRUE(tpm.ok()) << tpm.status() << ReadFile(machine_ + "/swtpm.out");
    tpm_ = *std::move(tpm);
    auto service = Service::Start({});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }

  void TearDown() override {
    service_.reset();
    tpm_.reset();
    RunShell(absl::StrCat("rm -rf '", machine_, "'"));
  }

  static std::string ReadLink() {
    char folder[4096];
    return getcwd(folder, sizeof(folder)) == nullptr ? "" : folder;
  }

  // What a machine's owner does once: an AK under the endorsement key.
  // `algorithms`: "ecc -s ecdsa".
  void MakeAk(const std::string& algorithms) {
    const absl::Status made = tpm_->Run(absl::StrCat(
        "tpm2_createek -Q -G ecc -c ek.ctx -u ek.pub\n"
        "tpm2_createak -Q -C ek.ctx -c ak.ctx -u ak.pub -n ak.name -g sha256"
        " -G ",
        algorithms, "\ntpm2_readpublic -Q -c ak.ctx -f pem -o ak.pem\n",
        "tpm2_evictcontrol -Q -C o -c ak.ctx ", kAk));
    ASSERT_TRUE(made.ok()) << made;
  }

  // The administrator pins the AK, writes the policy for the PCRs of now, and
  // puts a key under it.
  void Enroll(const std::string& bank) {
    const absl::Status booted = tpm_->Run(
        absl::StrCat("tpm2_pcrextend 7:", bank, "=$(printf boot | ", bank,
                     "sum | cut -d' ' -f1)\n"
                     "tpm2_pcrread -Q ",
                     bank, ":7 -o pcr7.bin"));
    ASSERT_TRUE(booted.ok()) << booted;
    const std::string pcr7 = ReadFile(tpm_->path("pcr7.bin"));
    ASSERT_EQ(pcr7.size(), bank == "sha256" ? 32u : 48u);
    WriteFile(service_->path("policy.yaml"),
              absl::StrReplaceAll(kPolicy,
                                  {{"@BANK@", bank}, {"@PCR7@", Hex(pcr7)}}));
    WriteFile(service_->path("secret"), kSecret);
    for (const std::string& command :
         {absl::StrCat("anchor put rack-7 ", tpm_->path("ak.pem"),
                       " --type tpm"),
          absl::StrCat("policy put ", service_->path("policy.yaml")),
          absl::StrCat("key create weights --policy machines --import-file ",
                       service_->path("secret"))}) {
      const absl::Status done = service_->Administer(command);
      ASSERT_TRUE(done.ok()) << done;
    }
  }

  // The program that attests: the shipped one, then `after`, with "$2" the
  // folder of its bundle.
  void WriteAttester(const std::string& bank, const std::string& after = "",
                     const std::string& scheme = "") {
    WriteProgram(
        tpm_->path("attester"),
        absl::StrCat(tpm_->environment(), " KMS_TPM_AK=", kAk, " KMS_TPM_PCRS=",
                     bank, ":7,0 KMS_TPM_SCHEME=", scheme, "\n", root_,
                     "/tools/kms_agent/tpm_attester.sh \"$@\"\n", after));
  }

  void ExpectReleased() {
    EXPECT_EQ(service_->Released(tpm_->path("attester"), kSecret), "");
  }
  void ExpectRefused(const std::string& code) {
    EXPECT_EQ(service_->Refused(tpm_->path("attester"), code), "");
  }

  std::string root_, machine_;
  std::unique_ptr<SwtpmProcess> tpm_;
  std::unique_ptr<Service> service_;
};

TEST_F(TpmTest, ReleasesToTheMachineItKnowsAndToNoOther) {
  MakeAk("ecc -s ecdsa");
  Enroll("sha256");
  WriteAttester("sha256");
  ExpectReleased();
  ExpectReleased();  // Another session, another quote.

  // A replay: the Evidence of a session that succeeded.
  WriteAttester("sha256", absl::StrCat("cp -r \"$2\" ", tpm_->path("kept")));
  ExpectReleased();
  WriteAttester(
      "sha256",
      absl::StrCat(
          "cp ", tpm_->path("kept"), "/* \"$2\"\n",
          // Or the agent itself would notice.
          "sed -i 's/}}],$/}}]}/; /report_data/d' \"$2/bundle.json\""));
  ExpectRefused("EVIDENCE_NOT_BOUND");

  // Values that the TPM did not quote.
  WriteAttester("sha256",
                "sed -i 's/\"7\": \"[0-9a-f]*\"/\"7\": "
                "\"'$(printf '%064d' 0)'\"/' \"$2/pcrs.json\"");
  ExpectRefused("EVIDENCE_INCONSISTENT");

  // The machine boots something else.
  WriteAttester("sha256");
  ASSERT_TRUE(tpm_->Run("tpm2_pcrextend 7:sha256=$(printf other | sha256sum | "
                        "cut -d' ' -f1)")
                  .ok());
  ExpectRefused("POLICY_DENIED");
  // It cannot show the PCRs of before either.
  WriteAttester("sha256", absl::StrCat("cp ", tpm_->path("kept/pcrs.json"),
                                       " \"$2/pcrs.json\""));
  ExpectRefused("EVIDENCE_INCONSISTENT");
}

TEST_F(TpmTest, RefusesTheQuoteOfAKeyThatIsNotPinned) {
  MakeAk("ecc -s ecdsa");
  Enroll("sha256");
  WriteAttester("sha256");
  ExpectReleased();
  // Another key of the same TPM, and its own public area beside it.
  ASSERT_TRUE(tpm_->Run(absl::StrCat("tpm2_evictcontrol -Q -C o -c ", kAk,
                                     "\ncp ak.pem pinned.pem"))
                  .ok());
  MakeAk("ecc -s ecdsa");
  ExpectRefused("CHAIN_UNTRUSTED");
  // The pinned key's name over another's signature.
  WriteAttester("sha256", absl::StrCat("cp ", tpm_->path("pinned.pem"),
                                       " \"$2/ak_public.tpm\""));
  ExpectRefused("SIGNATURE_INVALID");
}

// What a TPM lets its owner sign himself, he can say anything with.
TEST_F(TpmTest, RefusesAKeyThatIsNotRestricted) {
  const absl::Status made = tpm_->Run(absl::StrCat(
      "tpm2_createprimary -Q -C o -G ecc -c parent.ctx\n"
      "tpm2_create -Q -C parent.ctx -G ecc:ecdsa-sha256 -u ak.pub -r ak.priv "
      "-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'\n"
      "tpm2_load -Q -C parent.ctx -u ak.pub -r ak.priv -c ak.ctx\n"
      "tpm2_readpublic -Q -c ak.ctx -f pem -o ak.pem\n"
      "tpm2_evictcontrol -Q -C o -c ak.ctx ",
      kAk));
  ASSERT_TRUE(made.ok()) << made;
  Enroll("sha256");
  WriteAttester("sha256");
  ExpectRefused("ENDORSEMENT_MISMATCH");
}

TEST_F(TpmTest, ReleasesToRsaKeys) {
  MakeAk("rsa -s rsassa");
  Enroll("sha256");
  WriteAttester("sha256");
  ExpectReleased();
}

TEST_F(TpmTest, ReleasesToRsaPssKeysAndTheSha384Bank) {
  MakeAk("rsa -s rsapss");
  Enroll("sha384");
  WriteAttester("sha384", "", "rsapss");
  ExpectReleased();
}

}  // namespace
}  // namespace kms::testing
