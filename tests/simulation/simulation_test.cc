// The ordinary run of the simulation.
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "tests/simulation/world.h"

namespace kms::simulation {
namespace {

// threats.md, section 5: at least 5,000 a merge.
constexpr uint64_t kSeeds = 5000;

std::string HowToRepeat(uint64_t seed) {
  return "repeat: bazel run //tests/simulation:simulation -- --seed " +
         std::to_string(seed) + " --trace";
}

TEST(SimulationTest, KeepsEveryPromiseInEverySchedule) {
  Result all;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Result result = Simulate({.seed = seed});
    ASSERT_EQ(result.violation, "") << "seed " << seed << "\n"
                                    << HowToRepeat(seed);
    all.entries += result.entries;
    all.answers += result.answers;
    all.faults += result.faults;
  }
  // A simulation in which nothing happens finds nothing.
  EXPECT_GT(all.entries, kSeeds * 10);
  EXPECT_GT(all.answers, kSeeds * 3);
  EXPECT_GT(all.faults, kSeeds * 4);
}

TEST(SimulationTest, SameSeedGivesTheSameTrace) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    ASSERT_EQ(Simulate({.seed = seed}).trace_digest,
              Simulate({.seed = seed}).trace_digest)
        << "seed " << seed;
  }
}

}  // namespace
}  // namespace kms::simulation
