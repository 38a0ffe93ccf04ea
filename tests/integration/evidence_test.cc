// Whole releases on simulated hardware: a TD, and machines with a GPU, prove
// themselves through kms-agent's command attester to a real kmsd. Then parts
// are missing, or of another session. And what kmsctl shows of each type.

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/shared_data.h"
#include "tests/integration/service.h"

namespace kms::testing {
namespace {

constexpr char kSecret[] = "a key of 32 bytes for the test..";

// A policy for `evidence`, by `rules`.
std::string Policy(const std::string& evidence, const std::string& rules) {
  return absl::StrCat(
      "name: machines\nevidence:\n", evidence,
      "anchors: [simulated-tdx-root, simulated-snp-ark, simulated-gpu-root, "
      "simulated-gpu-rim-root]\nrules:\n",
      rules, "release: {lease: 1h}\n");
}

constexpr char kTd[] = "  - {type: tdx, count: 1}\n";
constexpr char kSnp[] = "  - {type: sev-snp, count: 1}\n";
constexpr char kGpu[] = "  - {type: nvidia-gpu, count: 1}\n";

constexpr char kTdIsUpToDate[] = R"(
  - id: platform
    expr: claims.cpu.tcb_status == 'UpToDate' && !claims.cpu.debug
    message: the platform is not up to date
)";
constexpr char kBootedSecurely[] = R"(
  - id: boot
    expr: >-
      claims.cpu.event_log.secure_boot &&
      claims.cpu.event_log.boot_applications.digests.size() == 1
    message: the firmware's log does not say so
)";
constexpr char kGpuIsConfidential[] = R"(
  - id: gpu
    expr: claims.gpus.all(g, g.cc_mode == 'on' && g.measurements_match)
    message: a GPU is not in confidential mode
)";

class EvidenceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_ = MakeFolder();
    char root[4096];
    ASSERT_NE(getcwd(root, sizeof(root)), nullptr);
    simtee_ = absl::StrCat(root, "/tools/simtee/simtee");
    Must(absl::StrCat(simtee_, " tdx-init --dir ", machine_, "/td"));
    Must(absl::StrCat(simtee_, " init --rsa-bits 2048 --dir ", machine_,
                      "/snp"));
    Must(absl::StrCat(simtee_, " gpu-init --dir ", machine_, "/gpu"));
    auto service = Service::Start(
        {.simulated_anchors = {"simulated-tdx-root", "simulated-snp-ark",
                               "simulated-gpu-root", "simulated-gpu-rim-root"},
         .config = ""});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    for (const auto& [file, flags] :
         std::vector<std::pair<std::string, std::string>>{
             {"td/simulated-tdx-root", "--type tdx"},
             {"snp/simulated-snp-ark", "--type sev-snp"},
             {"gpu/simulated-gpu-root", "--type nvidia-gpu"},
             {"gpu/simulated-gpu-rim-root",
              "--type nvidia-gpu --use reference-values"}}) {
      Administer(absl::StrCat("anchor put ", file.substr(file.find('/') + 1),
                              " ", machine_, "/", file, ".pem --simulated ",
                              flags));
    }
  }

  void TearDown() override {
    service_.reset();
    RunShell(absl::StrCat("rm -rf '", machine_, "'"));
  }

  static void Must(const std::string& script) {
    const CommandResult result = RunShell(script);
    ASSERT_EQ(result.exit_code, 0) << script << "\n" << result.output;
  }
  void Administer(const std::string& arguments) const {
    const absl::Status done = service_->Administer(arguments);
    ASSERT_TRUE(done.ok()) << done;
  }

  void Enroll(const std::string& policy) const {
    WriteFile(service_->path("policy.yaml"), policy);
    WriteFile(service_->path("secret"), kSecret);
    Administer(absl::StrCat("policy put ", service_->path("policy.yaml")));
    Administer(
        absl::StrCat("key create weights --policy machines --import-file ",
                     service_->path("secret")));
  }

  // A program that attests with `parts`, each a command of simtee without its
  // --out, and puts them into one bundle. It has $report_data and $nonce.
  std::string Attester(const std::vector<std::string>& parts,
                       const std::string& before = "") const {
    std::string script = absl::StrCat(
        "report_data=$1 out=$2 nonce=$3\n", before,
        "\njoin() {\n"  // type folder
        "  printf '%s{\"type\": \"%s\", \"files\": {' \"$comma\" \"$1\"\n"
        "  inner=\n"
        "  for file in \"$out/$2\"/*; do\n"
        "    name=${file##*/}; role=${name%%.*}\n"
        "    case $role in bundle) continue ;; report) role=evidence ;; esac\n"
        "    cp \"$file\" \"$out/$2.$name\"\n"
        "    printf '%s\"%s\": [\"%s\"]' \"$inner\" \"$role\" \"$2.$name\"\n"
        "    inner=', '\n"
        "  done\n"
        "  printf '}}'\n"
        "  rm -r \"${out:?}/$2\"\n"
        "  comma=', '\n"
        "}\n"
        "comma=\n");
    std::string join;
    for (const std::string& part : parts) {
      const std::string name = part.substr(0, part.find(' '));
      const std::string type = name == "tdx-quote"    ? "tdx"
                               : name == "gpu-report" ? "nvidia-gpu"
                                                      : "sev-snp";
      absl::StrAppend(&script, simtee_, " ", part, " --out \"$out/", type,
                      "\"\n");
      absl::StrAppend(&join, "  join ", type, " ", type, "\n");
    }
    absl::StrAppend(&script, "{ printf '{\"evidence\": ['\n", join,
                    "  printf ']}\\n'; } >\"$out/bundle.json\"\n");
    const std::string path = absl::StrCat(machine_, "/attester");
    WriteProgram(path, script);
    return path;
  }

  std::string Td(const std::string& flags = "") const {
    return absl::StrCat("tdx-quote --dir ", machine_,
                        "/td --report-data \"$report_data\" ", flags);
  }
  std::string Snp() const {
    return absl::StrCat("report --dir ", machine_,
                        "/snp --report-data \"$report_data\"");
  }
  std::string Gpu(const std::string& nonce = "\"$nonce\"") const {
    return absl::StrCat("gpu-report --dir ", machine_, "/gpu --nonce ", nonce);
  }

  std::string machine_, simtee_;
  std::unique_ptr<Service> service_;
};

TEST_F(EvidenceTest, ReleasesToATd) {
  Enroll(Policy(kTd, kTdIsUpToDate));
  EXPECT_EQ(service_->Released(Attester({Td()}), kSecret), "");
  EXPECT_EQ(service_->Refused(Attester({Td("--debug")}), "DEBUG_DENIED"), "");
  EXPECT_EQ(service_->Refused(Attester({Snp()}), "EVIDENCE_REQUIRED"), "");
  // Without what Intel says of the platform it is worth nothing.
  EXPECT_EQ(service_->Refused(Attester({Td()},
                                       "trap 'sed -i \"s/, .tcb_info.: "
                                       "\\[.tdx.tcb_info.\\]//\" "
                                       "\"$out/bundle.json\"' EXIT"),
                              "ENDORSEMENT_MISSING"),
            "");
}

TEST_F(EvidenceTest, ReleasesToATdWithAGpuAndItsLog) {
  Enroll(
      Policy(absl::StrCat(kTd, kGpu),
             absl::StrCat(kTdIsUpToDate, kBootedSecurely, kGpuIsConfidential)));
  EXPECT_EQ(service_->Released(Attester({Td("--event-log"), Gpu()}), kSecret),
            "");
  // Each part in turn is missing.
  EXPECT_EQ(service_->Refused(Attester({Td(), Gpu()}), "POLICY_ERROR"), "");
  EXPECT_EQ(
      service_->Refused(Attester({Td("--event-log")}), "EVIDENCE_REQUIRED"),
      "");
  EXPECT_EQ(service_->Refused(Attester({Gpu()}), "EVIDENCE_NOT_BOUND"), "");
}

TEST_F(EvidenceTest, ReleasesToAnSnpGuestWithAGpu) {
  Enroll(Policy(absl::StrCat(kSnp, kGpu), kGpuIsConfidential));
  EXPECT_EQ(service_->Released(Attester({Snp(), Gpu()}), kSecret), "");
  // A GPU's report of another session, and one that a session before got.
  const std::string kept = absl::StrCat(machine_, "/nonce");
  EXPECT_EQ(
      service_->Released(Attester({Snp(), Gpu()},
                                  absl::StrCat("printf %s \"$nonce\" >", kept)),
                         kSecret),
      "");
  for (const std::string& other :
       {std::string(64, 'a'), absl::StrCat("$(cat ", kept, ")"),
        std::string("$(printf %.64s \"$report_data\")")}) {
    EXPECT_EQ(
        service_->Refused(Attester({Snp(), Gpu(other)}), "EVIDENCE_NOT_BOUND"),
        "")
        << other;
  }
  EXPECT_EQ(service_->Refused(
                Attester({Snp(), absl::StrCat(Gpu(), " --no-manifests")}),
                "REFERENCE_VALUES_REQUIRED"),
            "");
}

TEST_F(EvidenceTest, ShowsHowOldItsCollateralIs) {
  Must(absl::StrCat(simtee_, " tdx-quote --dir ", machine_, "/td --out ",
                    machine_, "/quote --report-data ", std::string(128, 'a')));
  const std::string quote = absl::StrCat(machine_, "/quote/");
  Administer(absl::StrCat("collateral import tcb-info ", quote, "tcb_info ",
                          quote, "tcb_info_issuer_chain ", quote,
                          "root_ca_crl"));
  const CommandResult age = service_->Kmsctl("collateral age");
  EXPECT_EQ(age.exit_code, 0) << age.output;
  EXPECT_NE(age.output.find("tdx/"), std::string::npos) << age.output;
  EXPECT_NE(age.output.find("crl"), std::string::npos) << age.output;
}

// --- kmsctl evidence inspect ---

// What is not in the picture of `bundle`.
std::vector<std::string> NotShown(const std::string& bundle,
                                  const std::string& flags,
                                  const std::vector<std::string>& want) {
  const CommandResult result = RunShell(absl::StrCat(
      "tools/kmsctl/kmsctl evidence inspect '", bundle, "' ", flags));
  std::vector<std::string> missing;
  if (result.exit_code != 0) missing.push_back(result.output);
  for (const std::string& text : want) {
    if (result.output.find(text) == std::string::npos) missing.push_back(text);
  }
  return missing;
}
const std::vector<std::string> kNone;

TEST_F(EvidenceTest, ShowsEachSimulatedKind) {
  const auto make = [&](const std::string& command) {
    const std::string out = absl::StrCat(machine_, "/shown");
    Must(absl::StrCat("rm -rf ", out, "; report_data=", std::string(128, 'a'),
                      " nonce=", std::string(64, 'b'), "; ", simtee_, " ",
                      command, " --out ", out));
    return out + "/bundle.json";
  };
  const auto anchor = [&](const std::string& file) {
    return absl::StrCat(" --simulated-anchor ", machine_, "/", file, ".pem");
  };
  // Chain, TCB against levels, measurements, log, verdict.
  EXPECT_EQ(NotShown(make(Td("--event-log")), anchor("td/simulated-tdx-root"),
                     {"issued by", "level ", "mrtd", "event log, replayed",
                      "SecureBoot", "verified at", "UpToDate"}),
            kNone);
  EXPECT_EQ(NotShown(make(Snp()), anchor("snp/simulated-snp-ark"),
                     {"issued by", "tcb reported", "tcb of certificate",
                      "measurement", "verified at"}),
            kNone);
  EXPECT_EQ(NotShown(make(Gpu()),
                     absl::StrCat(anchor("gpu/simulated-gpu-root"),
                                  anchor("gpu/simulated-gpu-rim-root")),
                     {"issued by", "measurement 1 ", "verified at"}),
            kNone);
  Must(absl::StrCat(simtee_, " tdx-init --sgx --dir ", machine_, "/sgx"));
  EXPECT_EQ(NotShown(make(absl::StrCat("tdx-quote --dir ", machine_,
                                       "/sgx --report-data \"$report_data\"")),
                     anchor("sgx/simulated-sgx-root"),
                     {"issued by", "level ", "mrenclave", "verified at"}),
            kNone);
}

struct RealKind {
  const char* folder;
  const char* anchor;  // A file of the shared set, or null.
  std::vector<std::string> want;
};

TEST(InspectTest, ShowsEachRealKind) {
  const std::vector<RealKind> kinds = {
      {"snp/genoa-v3-vcek-tsm",
       nullptr,
       {"issued by", "tcb reported", "measurement", "verified at"}},
      {"tdx/v4-gcp-cos113-ccel",
       nullptr,
       {"issued by", "level ", "mrtd", "event log, replayed", "verified at"}},
      {"nvidia/hopper-h100-550.90.07-full",
       nullptr,
       {"issued by", "measurement 1 ", "verified at"}},
      {"nitro/prod-2022-nonce", nullptr, {"issued by", "pcr 0", "verified at"}},
      {"tpm/gce-cos85-nonce",
       nullptr,
       {"issued by", "pcr 0", "event log, replayed"}},
      {"azure-vtpm/snp-genoa-v3",
       nullptr,
       {"issued by", "tcb reported", "pcr 0", "HCLAkPub", "verified at"}},
      {"azure-vtpm/tdx-2023",
       nullptr,
       {"issued by", "level ", "pcr 0", "HCLAkPub", "verified at"}},
      {"cca/veraison-good",
       "cca/veraison-good/cpak_pub.pem",
       {"instance id", "rim", "verified at"}},
  };
  for (const RealKind& kind : kinds) {
    const std::string bundle =
        absl::StrCat("evidence/", kind.folder, "/bundle.json");
    if (!ReadShared(bundle).has_value()) continue;
    const std::string flags =
        kind.anchor == nullptr
            ? ""
            : absl::StrCat("--anchor ",
                           SharedPath(absl::StrCat("evidence/", kind.anchor)));
    EXPECT_EQ(NotShown(SharedPath(bundle), flags, kind.want), kNone)
        << kind.folder;
  }
}

}  // namespace
}  // namespace kms::testing
