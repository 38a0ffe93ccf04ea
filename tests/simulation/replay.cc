// Replays a log and prints what every instance must have after it:
//
//   replay FILE [--threads N] [--odd-locale]
//
// FILE holds each entry after its length (uint32le). With N threads, N state
// machines apply it at once. --odd-locale makes the program write numbers as
// 1'234,5 wherever it uses the C++ locale; the environment's locale and time
// zone are taken in any case.
// Used by same_state_test.cc, in several builds and environments.
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <locale>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/bytes.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/state_machine.h"
#include "tests/simulation/cluster_keys.h"

namespace {

using kms::storage::LogEntry;
using kms::storage::StateMachine;

class OddNumbers : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '\''; }
  std::string do_grouping() const override { return "\3"; }
};

std::vector<LogEntry> ReadLog(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  const std::string log = bytes.str();
  kms::ByteReader reader(kms::AsBytes(log));
  std::vector<LogEntry> entries;
  while (!reader.failed() && reader.remaining() > 0) {
    const uint32_t size = reader.U32Le();
    entries.push_back(
        {{1, entries.size() + 1}, kms::ToString(reader.Bytes(size))});
  }
  return entries;
}

// A line an entry, and what the header holds at the end, also after the state
// is opened anew.
std::string Replay(const std::vector<LogEntry>& log) {
  const auto& envelope = kms::simulation::ClusterEnvelope();
  kms::storage::MemoryEngine engine;
  std::string lines;
  {
    auto machine = StateMachine::Open(engine, envelope);
    if (!machine.ok()) return machine.status().ToString();
    for (const LogEntry& entry : log) {
      const auto result = (*machine)->Apply(entry);
      if (!result.ok()) return result.status().ToString();
      absl::StrAppend(&lines, static_cast<int>(result->verdict), " ",
                      kms::Hex(result->digest), "\n");
    }
  }
  const auto machine = StateMachine::Open(engine, envelope);
  if (!machine.ok()) return machine.status().ToString();
  const auto header = (*machine)->View()->header();
  return absl::StrCat(lines, kms::Hex(header.row_sum()), " ",
                      kms::Hex(header.tree_root()), " ", header.log_time_us(),
                      "\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Replays a log");
  std::string path;
  size_t threads = 1;
  bool odd_locale = false;
  app.add_option("file", path)->required();
  app.add_option("--threads", threads);
  app.add_flag("--odd-locale", odd_locale);
  CLI11_PARSE(app, argc, argv);
  std::setlocale(LC_ALL, "");
  tzset();
  if (odd_locale) {
    std::locale::global(std::locale(std::locale(), new OddNumbers));
  }

  const std::vector<LogEntry> log = ReadLog(path);
  std::vector<std::string> outputs(threads);
  std::vector<std::thread> workers;
  for (std::string& output : outputs) {
    workers.emplace_back([&log, &output] { output = Replay(log); });
  }
  for (std::thread& worker : workers) worker.join();
  for (const std::string& output : outputs) {
    if (output != outputs[0]) {
      std::printf("two threads differ\n");
      return 1;
    }
  }
  std::fputs(outputs[0].c_str(), stdout);
  return 0;
}
