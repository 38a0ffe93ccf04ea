// The simulation by hand:
//   bazel run //tests/simulation:simulation -- --seed 7 --trace
//   bazel run //tests/simulation:simulation -- --seeds 1..1000000
// The exit status is 1 if a promise was broken; then it says how to see it
// again.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "tests/simulation/bugs.h"
#include "tests/simulation/world.h"

namespace {

using kms::simulation::Options;
using kms::simulation::Result;

void PrintRepeat(const Options& options, const std::string& bug) {
  std::printf("repeat: bazel run //tests/simulation:%s -- --seed %llu",
              bug.empty() ? "simulation" : "buggy_simulation",
              static_cast<unsigned long long>(options.seed));
  if (options.rounds != Options().rounds) {
    std::printf(" --rounds %llu",
                static_cast<unsigned long long>(options.rounds));
  }
  if (!bug.empty()) std::printf(" --bug %s", bug.c_str());
  std::printf(" --trace\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Deterministic simulation of a cluster");
  Options options;
  std::string seeds;
  std::string bug;
  app.add_option("--seed", options.seed, "One run");
  app.add_option("--seeds", seeds, "A..B: each of these, both included");
  app.add_option("--rounds", options.rounds, "Of trouble in each run");
  app.add_option("--bug", bug, "A seeded bug; only buggy_simulation has all");
  app.add_flag("--trace", options.trace, "Print what happens");
  CLI11_PARSE(app, argc, argv);

  uint64_t first = options.seed;
  uint64_t last = options.seed;
  if (!seeds.empty()) {
    const std::vector<std::string> ends = absl::StrSplit(seeds, "..");
    if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &first) ||
        !absl::SimpleAtoi(ends[1], &last) || first > last) {
      std::fprintf(stderr, "--seeds: want A..B\n");
      return 2;
    }
  }
  for (const auto& known : kms::simulation::kBugs) {
    if (bug == known.name) kms::simulation::SetBug(known.bug);
  }
  if (!bug.empty() && kms::simulation::Has(kms::simulation::Bug::kNone)) {
    std::fprintf(stderr, "--bug: no such bug\n");
    return 2;
  }

  const auto begun = std::chrono::steady_clock::now();
  Result all;
  for (options.seed = first; options.seed <= last; ++options.seed) {
    const Result result = kms::simulation::Simulate(options);
    all.entries += result.entries;
    all.answers += result.answers;
    all.faults += result.faults;
    all.trace_digest = all.trace_digest * 0x100000001b3 ^ result.trace_digest;
    if (!result.violation.empty()) {
      std::printf("seed %llu: %s\n",
                  static_cast<unsigned long long>(options.seed),
                  result.violation.c_str());
      PrintRepeat(options, bug);
      return 1;
    }
  }
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - begun;
  std::printf(
      "%llu seeds, %llu entries, %llu answers, %llu faults in %.1f s; trace "
      "%016llx\n",
      static_cast<unsigned long long>(last - first + 1),
      static_cast<unsigned long long>(all.entries),
      static_cast<unsigned long long>(all.answers),
      static_cast<unsigned long long>(all.faults), took.count(),
      static_cast<unsigned long long>(all.trace_digest));
  return 0;
}
