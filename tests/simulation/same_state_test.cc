// Issue 4: one log replayed with another locale, time zone, thread count and
// build mode gives the same digests. The logs are those of simulated runs, with
// all that went wrong in them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "tests/simulation/world.h"

namespace kms::simulation {
namespace {

std::string WriteLog(uint64_t seed, const std::vector<std::string>& log) {
  const std::string path =
      absl::StrCat(std::getenv("TEST_TMPDIR"), "/log-", seed);
  std::ofstream file(path, std::ios::binary);
  for (const std::string& entry : log) {
    file << ByteWriter().U32Le(static_cast<uint32_t>(entry.size())).str()
         << entry;
  }
  return path;
}

std::string OutputOf(const std::string& command) {
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string output;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;) {
    output.append(buffer, n);
  }
  return pclose(pipe) == 0 ? output : "failed: " + output;
}

TEST(SameStateTest, WhateverTheEnvironmentAndTheBuild) {
  const std::vector<std::string> environments = {
      "TZ=UTC LC_ALL=C",
      "TZ=Asia/Kathmandu LC_ALL=C.UTF-8",
      "TZ=America/St_Johns LC_ALL=tr_TR.UTF-8",  // C, if it is not installed.
      "TZ=Pacific/Apia LC_ALL=de_DE.UTF-8 MALLOC_PERTURB_=165",
  };
  const std::vector<std::string> programs = {
      "tests/simulation/replay",
      "tests/simulation/replay_optimized",
  };
  const std::vector<std::string> arguments = {
      "--threads 1",
      "--threads 2 --odd-locale",
      "--threads 7",
  };
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Result run = Simulate({.seed = seed, .keep_log = true});
    ASSERT_EQ(run.violation, "") << "seed " << seed;
    const std::string path = WriteLog(seed, run.log);
    std::string want;
    for (const std::string& environment : environments) {
      for (const std::string& program : programs) {
        for (const std::string& argument : arguments) {
          const std::string command =
              absl::StrCat(environment, " ", program, " ", argument, " ", path);
          const std::string is = OutputOf(command);
          if (want.empty()) want = is;
          // The simulated instances had it too.
          ASSERT_NE(is.find(Hex(run.digest)), std::string::npos) << command;
          ASSERT_EQ(is, want) << command;
        }
      }
    }
  }
}

}  // namespace
}  // namespace kms::simulation
