// One run: a cluster, its clients, and everything that goes wrong, from one
// seed, in one thread and in simulated time.
//
// The log is storage/log/simulated, the replicas are storage/replica's without
// their threads, the state machine is storage/state's. See README.md for what
// is not simulated.
// Thread-compatible.
#ifndef TESTS_SIMULATION_WORLD_H_
#define TESTS_SIMULATION_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kms::simulation {

struct Options {
  uint64_t seed = 0;
  bool trace = false;     // Print it.
  uint64_t rounds = 40;   // Of trouble, before everything heals.
  bool keep_log = false;  // For Result::log.
};

struct Result {
  std::string violation;  // Empty: no promise was broken.
  uint64_t trace_digest = 0;
  // What was seen, so that a run which tests nothing shows.
  uint64_t entries = 0;
  uint64_t answers = 0;
  uint64_t faults = 0;
  std::vector<std::string> log;  // Every entry, from index 1.
  std::string digest;            // Of the state after the last.
};

Result Simulate(const Options& options);

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_WORLD_H_
