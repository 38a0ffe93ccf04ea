// kmsd as a process: the command line, and how it ends.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/clock.h"
#include "kms/instance/instance.h"
#include "kms/seal/unsealer.h"
#include "kms/server/test_certificates.h"

namespace kms::server {
namespace {

constexpr char kKmsd[] = "kms/server/kmsd";

// A child whose standard error is read line by line.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends;
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::vector<std::string> words = {kKmsd};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    EXPECT_EQ(
        posix_spawn(&pid_, kKmsd, &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    out_ = fdopen(ends[0], "r");
  }
  ~Process() { fclose(out_); }

  // Reads until a line holds `text`; false at the end of the output.
  bool ReadUntil(const std::string& text) {
    std::array<char, 4096> line;
    while (fgets(line.data(), line.size(), out_) != nullptr) {
      said_ += line.data();
      if (std::string(line.data()).find(text) != std::string::npos) return true;
    }
    return false;
  }

  // Reads to the end; the exit status, or -signal.
  int Wait() {
    ReadUntil("\x01");
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void Signal(int signal) { EXPECT_EQ(kill(pid_, signal), 0); }
  pid_t pid() const { return pid_; }
  const std::string& said() const { return said_; }

 private:
  pid_t pid_ = -1;
  FILE* out_ = nullptr;
  std::string said_;
};

class KmsdTest : public testing::Test {
 protected:
  // A configuration of a fresh data directory; `more` is appended.
  std::string WriteConfig(const std::string& more = "",
                          const std::string& seal = "{kind: shamir}") {
    const TlsFiles tls = certificates_.files();
    const std::string path = certificates_.directory() + "/kmsd.yaml";
    std::ofstream(path) << "listen: [\"127.0.0.1:0\"]\ndata_dir: "
                        << certificates_.directory()
                        << "/data\ntls:\n  certificate: " << tls.certificate
                        << "\n  private_key: " << tls.private_key
                        << "\n  administrators_ca: " << tls.administrators_ca
                        << "\nadministrators: [alice]\nseal: " << seal << "\n"
                        << more;
    return path;
  }

  TestCertificates certificates_;
};

TEST_F(KmsdTest, SigtermEndsItGracefully) {
  Process kmsd({"--config", WriteConfig()});
  ASSERT_TRUE(kmsd.ReadUntil("\"event\":\"serving\"")) << kmsd.said();
  kmsd.Signal(SIGTERM);
  EXPECT_EQ(kmsd.Wait(), 0) << kmsd.said();
  EXPECT_NE(kmsd.said().find("\"event\":\"draining\""), std::string::npos);
  EXPECT_NE(kmsd.said().find("\"event\":\"stopped\""), std::string::npos);
}

TEST_F(KmsdTest, ExitsWithAnErrorWhenItsDiskFailsIfToldSo) {
  const std::string key_file = certificates_.directory() + "/root.key";
  {
    const SystemClock clock;
    InstanceHolder holder;
    seal::UnsealerOptions options;
    options.data_dir = certificates_.directory() + "/data";
    options.seal.kind = seal::SealKind::kDevelopment;
    options.seal.key_file = key_file;
    options.clock = &clock;
    options.holder = &holder;
    const auto unsealer = seal::Unsealer::Open(options);
    ASSERT_TRUE(unsealer.ok()) << unsealer.status();
    const auto made = (*unsealer)->Init("alice", 0, 0);
    ASSERT_TRUE(made.ok()) << made.status();
  }
  const std::string config = WriteConfig(
      "on_fatal: exit\n",
      absl::StrCat("{kind: development, key_file: ", key_file, "}"));
  // Writing beyond the limit is then an error, not a signal.
  signal(SIGXFSZ, SIG_IGN);
  Process kmsd({"--config", config});
  signal(SIGXFSZ, SIG_DFL);
  ASSERT_TRUE(kmsd.ReadUntil("\"event\":\"serving\"")) << kmsd.said();
  const rlimit nothing = {0, 0};
  ASSERT_EQ(prlimit(kmsd.pid(), RLIMIT_FSIZE, &nothing, nullptr), 0);
  // It states its clock in the log every ten seconds.
  EXPECT_EQ(kmsd.Wait(), 1) << kmsd.said();
  EXPECT_NE(kmsd.said().find("\"event\":\"fatal\""), std::string::npos);
  EXPECT_NE(kmsd.said().find("cannot go on"), std::string::npos);
}

TEST_F(KmsdTest, NobodyElseReadsItsMemory) {
  Process kmsd({"--config", WriteConfig()});
  ASSERT_TRUE(kmsd.ReadUntil("\"event\":\"serving\"")) << kmsd.said();
  const std::string proc = absl::StrCat("/proc/", kmsd.pid());
  std::string limits = ReadWhole(proc + "/limits");
  EXPECT_NE(limits.find("Max core file size        0                    0"),
            std::string::npos)
      << limits;
  // Of a process that is not dumpable everything belongs to root.
  struct stat info;
  ASSERT_EQ(stat((proc + "/mem").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u);
  kmsd.Signal(SIGINT);
  EXPECT_EQ(kmsd.Wait(), 0) << kmsd.said();
}

TEST_F(KmsdTest, ASecondOneOnTheSameDirectoryDoesNotStart) {
  const std::string config = WriteConfig();
  Process first({"--config", config});
  ASSERT_TRUE(first.ReadUntil("\"event\":\"serving\"")) << first.said();
  Process second({"--config", config});
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_NE(second.said().find("another process is using it"),
            std::string::npos)
      << second.said();
  first.Signal(SIGTERM);
  EXPECT_EQ(first.Wait(), 0);
}

TEST_F(KmsdTest, RefusesAPrivateKeyThatOthersMayRead) {
  const std::string config = WriteConfig();
  ASSERT_EQ(chmod(certificates_.files().private_key.c_str(), 0644), 0);
  Process kmsd({"--config", config});
  EXPECT_EQ(kmsd.Wait(), 1);
  EXPECT_NE(kmsd.said().find("group or others may access it"),
            std::string::npos)
      << kmsd.said();
}

TEST_F(KmsdTest, CheckConfigTellsFaultsAndServesNothing) {
  Process good({"--check-config", "--config", WriteConfig()});
  EXPECT_EQ(good.Wait(), 0) << good.said();
  Process bad(
      {"--check-config", "--config", WriteConfig("drain_timout: 1s\n")});
  EXPECT_EQ(bad.Wait(), 2);
  EXPECT_NE(bad.said().find("kmsd.yaml:9:1: unknown key \"drain_timout\", did "
                            "you mean \"drain_timeout\"?"),
            std::string::npos)
      << bad.said();
  Process example(
      {"--check-config", "--config", "kms/server/kmsd.example.yaml"});
  EXPECT_EQ(example.Wait(), 0) << example.said();
}

TEST_F(KmsdTest, TheCommandLineIsChecked) {
  Process version({"--version"});
  EXPECT_EQ(version.Wait(), 0);
  EXPECT_EQ(version.said().substr(0, 5), "kmsd ");
  EXPECT_EQ(Process({"--frobnicate"}).Wait(), 2);
  EXPECT_EQ(Process({}).Wait(), 2);
  EXPECT_EQ(Process({"--config", "/nonexistent"}).Wait(), 2);
}

}  // namespace
}  // namespace kms::server
