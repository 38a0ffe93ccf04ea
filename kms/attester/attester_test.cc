#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/attester/command_attester.h"
#include "kms/attester/subprocess.h"
#include "kms/attester/tsm_attester.h"
#include "kms/base/file.h"
#include "kms/base/status.h"
#include "kms/release/transcript.h"

namespace kms::attester {
namespace {

std::string TestFolder(const std::string& name) {
  const std::string folder = ::testing::TempDir() + name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  return folder;
}

// An executable shell script with this body; returns its path.
std::string Script(const std::string& name, const std::string& body) {
  const std::string path = ::testing::TempDir() + name;
  EXPECT_TRUE(WriteFile(path, AsBytes(absl::StrCat("#!/bin/sh\n", body))).ok());
  EXPECT_EQ(chmod(path.c_str(), 0700), 0);
  return path;
}

std::string ReportData() { return std::string(63, '\xab') + '\x01'; }

// --- RunProgram ---

TEST(RunProgram, PassesArgumentsWithoutAShell) {
  const std::string out = TestFolder("arguments") + "/out";
  const std::string script =
      Script("arguments.sh", "printf '%s|' \"$@\" >\"$1\"");
  ASSERT_TRUE(
      RunProgram({script, out, "a b", "$(id)"}, absl::Seconds(10)).ok());
  EXPECT_EQ(*ReadFile(out, 1000), out + "|a b|$(id)|");
}

TEST(RunProgram, GivesTheChildNoneOfOurDescriptors) {
  const std::string folder = TestFolder("descriptors");
  // Left open across exec unless somebody closes it: an agent's fd:N.
  const Fd ours(open(folder.c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_GE(ours.get(), 3);
  const std::string script = Script(
      "descriptors.sh",
      absl::StrCat("test ! -e /proc/self/fd/", ours.get(),
                   " && test \"$(readlink /proc/self/fd/0)\" = /dev/null"));
  EXPECT_TRUE(RunProgram({script}, absl::Seconds(10)).ok());
}

TEST(RunProgram, NamesExitCodeAndSignal) {
  const auto failing =
      RunProgram({Script("exit.sh", "exit 7")}, absl::Seconds(10));
  EXPECT_EQ(failing, absl::FailedPreconditionError("attester: exit code 7"));
  const auto killed =
      RunProgram({Script("kill.sh", "kill -KILL $$")}, absl::Seconds(10));
  EXPECT_EQ(killed,
            absl::FailedPreconditionError("attester: ended by signal 9"));
}

TEST(RunProgram, KillsTheWholeGroupWhenTimeIsUp) {
  const std::string pipe_path = TestFolder("timeout") + "/pipe";
  ASSERT_EQ(mkfifo(pipe_path.c_str(), 0600), 0);
  const Fd reader(open(pipe_path.c_str(), O_RDONLY | O_NONBLOCK));
  const std::string script =
      Script("timeout.sh",
             absl::StrCat("exec 3>", pipe_path, "\nsleep 600 &\nsleep 600\n"));
  EXPECT_EQ(RunProgram({script}, absl::Milliseconds(300)).code(),
            absl::StatusCode::kDeadlineExceeded);
  // The pipe's end is reached only when its last writer is gone; a blocking
  // read waits for that and would hang, were the grandchild alive.
  fcntl(reader.get(), F_SETFL, 0);
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 0);
}

TEST(RunProgram, WantsAnAbsolutePathToSomethingExecutable) {
  EXPECT_EQ(RunProgram({"true"}, absl::Seconds(1)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunProgram({}, absl::Seconds(1)).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(RunProgram({"/no/such/program"}, absl::Seconds(1)).code(),
            absl::StatusCode::kNotFound);
}

// --- CommandAttester ---

constexpr char kWriteBundle[] =
    "printf '%s' \"$1\" >\"$2/report.bin\"\n"
    "printf '{\"evidence\": [{\"type\": \"sev-snp\", \"files\": "
    "{\"evidence\": [\"report.bin\"]}}], \"report_data\": \"%s\"}' "
    "\"${DATA:-$1}\" >\"$2/bundle.json\"\n";

TEST(CommandAttester, ReadsTheBundleItsProgramWroteAndRemovesIt) {
  const std::string scratch = TestFolder("scratch");
  CommandAttester attester(
      Script("good.sh",
             absl::StrCat("test \"$(stat -c %a \"$2\")\" = 700 || exit 9\n",
                          kWriteBundle)),
      absl::Seconds(10), scratch);
  const auto bundle = attester.Attest(AsBytes(ReportData()));
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  ASSERT_EQ(bundle->evidence_size(), 1);
  EXPECT_EQ(bundle->evidence(0).type(), v1::SEV_SNP);
  ASSERT_EQ(bundle->evidence(0).files_size(), 1);
  EXPECT_EQ(bundle->evidence(0).files(0).content(), Hex(ReportData()));
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
}

TEST(CommandAttester, TellsTheGpusNonceToo) {
  CommandAttester attester(
      Script("gpu.sh",
             absl::StrCat("test \"$3\" = ",
                          Hex(release::GpuNonce(AsBytes(ReportData()))),
                          " || exit 9\n", kWriteBundle)),
      absl::Seconds(10), TestFolder("gpu"));
  EXPECT_TRUE(attester.Attest(AsBytes(ReportData())).ok());
}

TEST(CommandAttester, RefusesABundleForOtherReportData) {
  CommandAttester attester(
      Script("other.sh", absl::StrCat("DATA=00\n", kWriteBundle)),
      absl::Seconds(10), TestFolder("other"));
  EXPECT_EQ(attester.Attest(AsBytes(ReportData())).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(CommandAttester, RefusesABundleThatReachesOutOfItsFolder) {
  CommandAttester attester(
      Script("reaching.sh",
             "printf '{\"evidence\": [{\"type\": \"sev-snp\", \"files\": "
             "{\"evidence\": [\"../../etc/passwd\"]}}]}' >\"$2/bundle.json\""),
      absl::Seconds(10), TestFolder("reaching"));
  EXPECT_EQ(attester.Attest(AsBytes(ReportData())).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CommandAttester, RemovesItsFolderAfterAFailureToo) {
  const std::string scratch = TestFolder("failing");
  CommandAttester attester(Script("failing.sh", "touch \"$2/x\"; exit 1"),
                           absl::Seconds(10), scratch);
  EXPECT_EQ(attester.Attest(AsBytes(ReportData())).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
}

TEST(CommandAttester, NeedsTheBundleToBeThere) {
  CommandAttester attester("/bin/true", absl::Seconds(10),
                           TestFolder("absent"));
  EXPECT_EQ(attester.Attest(AsBytes(ReportData())).status().code(),
            absl::StatusCode::kNotFound);
}

// --- TsmAttester ---

// Makes a folder as the kernel would; an attribute set to "-" is left out.
struct FakeTsm {
  std::string provider = "sev_guest\n";
  std::string outblob = "the report";
  std::string auxblob = "the table";
  std::string generation = "1\n";
  std::string made;  // The folder that was asked for.

  TsmAttester::MakeFolder Maker() {
    return [this](const std::string& path) {
      made = path;
      KMS_RETURN_IF_ERROR(TsmAttester::MakeKernelFolder(path));
      for (const auto& [name, value] :
           {std::pair<std::string, std::string>{"provider", provider},
            {"inblob", ""},
            {"outblob", outblob},
            {"auxblob", auxblob},
            {"generation", generation}}) {
        if (value == "-") continue;
        KMS_RETURN_IF_ERROR(WriteFile(path + "/" + name, AsBytes(value)));
      }
      return absl::OkStatus();
    };
  }
};

TEST(TsmAttester, BindsTheReportDataAndBringsReportAndTable) {
  FakeTsm tsm;
  TsmAttester attester(v1::SEV_SNP, TestFolder("tsm"), "", tsm.Maker());
  const auto bundle = attester.Attest(AsBytes(ReportData()));
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_EQ(*ReadFile(tsm.made + "/inblob", 1000), ReportData());
  ASSERT_EQ(bundle->evidence_size(), 1);
  const v1::Evidence& evidence = bundle->evidence(0);
  EXPECT_EQ(evidence.type(), v1::SEV_SNP);
  ASSERT_EQ(evidence.files_size(), 2);
  EXPECT_EQ(evidence.files(0).role(), "evidence");
  EXPECT_EQ(evidence.files(0).content(), "the report");
  EXPECT_EQ(evidence.files(1).role(), "cert_table");
  EXPECT_EQ(evidence.files(1).content(), "the table");
}

TEST(TsmAttester, DoesWithoutATable) {
  for (const char* auxblob : {"", "-"}) {
    FakeTsm tsm;
    tsm.auxblob = auxblob;
    TsmAttester attester(v1::SEV_SNP, TestFolder("tsm"), "", tsm.Maker());
    const auto bundle = attester.Attest(AsBytes(ReportData()));
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    EXPECT_EQ(bundle->evidence(0).files_size(), 1);
  }
}

TEST(TsmAttester, BringsATdxQuoteAndItsEventLogIfThereIsOne) {
  const std::string log = TestFolder("ccel") + "/CCEL";
  for (const bool has_log : {false, true}) {
    if (has_log) {
      ASSERT_TRUE(WriteFile(log, AsBytes("the log")).ok());
    }
    FakeTsm tsm;
    tsm.provider = "tdx_guest\n";
    TsmAttester attester(v1::TDX, TestFolder("tsm"), log, tsm.Maker());
    const auto bundle = attester.Attest(AsBytes(ReportData()));
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    const v1::Evidence& evidence = bundle->evidence(0);
    EXPECT_EQ(evidence.type(), v1::TDX);
    ASSERT_EQ(evidence.files_size(), has_log ? 2 : 1);
    EXPECT_EQ(evidence.files(0).content(), "the report");
    if (has_log) {
      EXPECT_EQ(evidence.files(1).role(), "event_log");
      EXPECT_EQ(evidence.files(1).content(), "the log");
    }
  }
}

TEST(TsmAttester, RefusesAnotherProviderAndAnotherWriter) {
  FakeTsm tdx;
  tdx.provider = "tdx_guest\n";
  EXPECT_EQ(TsmAttester(v1::SEV_SNP, TestFolder("tsm"), "", tdx.Maker())
                .Attest(AsBytes(ReportData()))
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
  FakeTsm shared;
  shared.generation = "2\n";
  EXPECT_EQ(TsmAttester(v1::SEV_SNP, TestFolder("tsm"), "", shared.Maker())
                .Attest(AsBytes(ReportData()))
                .status()
                .code(),
            absl::StatusCode::kAborted);
}

TEST(TsmAttester, SaysWhenThereIsNoSuchInterface) {
  TsmAttester attester(v1::SEV_SNP, ::testing::TempDir() + "no-tsm", "",
                       &TsmAttester::MakeKernelFolder);
  EXPECT_EQ(attester.Attest(AsBytes(ReportData())).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(attester.Attest(AsBytes("short")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kms::attester
