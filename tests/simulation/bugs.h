// Seeded bugs: each is a mistake that somebody could make, and that the
// simulation must find. None of them is in the code that ships: those of
// storage/ are in `mutants.txt`, applied to copies of its sources that only
// this folder builds; those of the simulated disk, log and service are in
// node.cc and client.cc, marked by Has(Bug::k...).
// Source: threats.md, section 4, "Teeth".
// Thread-safe once set: set before the run, by one thread.
#ifndef TESTS_SIMULATION_BUGS_H_
#define TESTS_SIMULATION_BUGS_H_

#include <cstddef>
#include <iterator>

namespace kms::simulation {

enum class Bug {
  kNone,
#define KMS_SIMULATION_BUG(name, text) name,
#include "tests/simulation/bugs.inc"
#undef KMS_SIMULATION_BUG
};

struct BugInfo {
  Bug bug;
  const char* name;  // For --bug.
  const char* text;
};

inline constexpr BugInfo kBugs[] = {
#define KMS_SIMULATION_BUG(name, text) {Bug::name, #name, text},
#include "tests/simulation/bugs.inc"
#undef KMS_SIMULATION_BUG
};

namespace internal {
inline Bug active = Bug::kNone;
}  // namespace internal

inline void SetBug(Bug bug) { internal::active = bug; }
inline bool Has(Bug bug) { return internal::active == bug; }

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_BUGS_H_
