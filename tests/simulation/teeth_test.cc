// The simulation's teeth: each seeded bug must be found within its budget, and
// without one the same build finds nothing.
#include <cstdint>
#include <iostream>
#include <string>

#include "gtest/gtest.h"
#include "tests/simulation/bugs.h"
#include "tests/simulation/world.h"

namespace kms::simulation {
namespace {

// Seeds within which any of them must be found: most take a few, those that
// need hours to pass and power to fail some hundred.
constexpr uint64_t kSeedsMax = 2000;

class TeethTest : public testing::TestWithParam<BugInfo> {
 protected:
  ~TeethTest() override { SetBug(Bug::kNone); }
};

TEST_P(TeethTest, BugIsFound) {
  SetBug(GetParam().bug);
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Result result = Simulate({.seed = seed});
    if (result.violation.empty()) continue;
    std::cout << GetParam().text << ": seed " << seed << ": "
              << result.violation << "\n";
    return;
  }
  FAIL() << GetParam().text << ": not found in " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Bugs, TeethTest, testing::ValuesIn(kBugs),
                         [](const auto& param_info) {
                           return std::string(param_info.param.name);
                         });

TEST(NoTeethTest, TheSameBuildFindsNothingWithoutABug) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    EXPECT_EQ(Simulate({.seed = seed}).violation, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace kms::simulation
