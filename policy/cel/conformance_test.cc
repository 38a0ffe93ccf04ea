// The specification's own tests, where they stand beside the checkout.
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/shared_data.h"
#include "policy/cel/conformance_suite.h"

namespace kms::cel {
namespace {

TEST(ConformanceTest, PassesTheSpecificationsSuite) {
  if (!ReadShared("vectors/cel/testdata/basic.textproto").has_value()) return;
  const auto suite = ConformanceSuite::Load(SharedPath("vectors/cel/proto"));
  ASSERT_TRUE(suite.ok()) << suite.status();
  Tally tally;
  for (const auto& entry : std::filesystem::directory_iterator(
           SharedPath("vectors/cel/testdata"))) {
    const auto status = (*suite)->Run(entry.path().string(), tally);
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_THAT(tally.failures, testing::IsEmpty());
  EXPECT_EQ(tally.skipped, 0);
  EXPECT_GT(tally.passed, 1000);
}

TEST(ConformanceTest, RefusesFoldersWithoutProtos) {
  EXPECT_EQ(ConformanceSuite::Load("no such folder").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace kms::cel
