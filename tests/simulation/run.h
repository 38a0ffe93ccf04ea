// What everything in one run shares.
#ifndef TESTS_SIMULATION_RUN_H_
#define TESTS_SIMULATION_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "storage/log/simulated/simulated_log.h"
#include "tests/simulation/checker.h"
#include "tests/simulation/random.h"
#include "tests/simulation/trace.h"

namespace kms::simulation {

inline constexpr uint64_t kEpoch = 1;
// Time zero of every run.
inline constexpr int64_t kStartUs = 1'750'000'000'000'000;

struct Run {
  Run(uint64_t seed, bool print, bool keep_models)
      : random(seed),
        trace(print),
        checker(keep_models),
        log(kEpoch, random.Next()) {}

  // What the log has got since the last call.
  void PollLog() {
    for (const auto& entry : log.Entries(0, checker.tail())) {
      checker.OnEntry(entry);
      arrived.push_back(now);
      if (keep_log) sealed.push_back(entry.batch);
      trace.Add("log ", entry.position.index, " of ", entry.batch.size());
    }
  }
  // The last entry that the log has forgotten.
  uint64_t TrimmedThrough() const {
    const auto kept = log.Entries(0);
    return kept.empty() ? checker.tail() : kept.front().position.index - 1;
  }
  int64_t now_us() const { return kStartUs + absl::ToInt64Microseconds(now); }

  Random random;
  Trace trace;
  Checker checker;
  storage::SimulatedLog log;
  absl::Duration now;                   // True time, since the start.
  std::vector<absl::Duration> arrived;  // Of each entry, from index 1.
  bool keep_log = false;
  std::vector<std::string> sealed;  // All entries, if they are kept.
  bool gaps = false;                // The log may leave out entries silently.
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_RUN_H_
