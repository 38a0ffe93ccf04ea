// The specification's own tests, where they stand beside the checkout.
#include <filesystem>
#include <fstream>
#include <string>

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

TEST(ConformanceTest, NamesEachTestThatFails) {
  if (!ReadShared("vectors/cel/testdata/basic.textproto").has_value()) return;
  const auto suite = ConformanceSuite::Load(SharedPath("vectors/cel/proto"));
  ASSERT_TRUE(suite.ok()) << suite.status();
  const std::string path = testing::TempDir() + "/failing.textproto";
  std::ofstream(path) << R"(
      name: "f"
      section {
        name: "s"
        test { name: "right" expr: "1" value { int64_value: 1 } }
        test { name: "value" expr: "1" value { int64_value: 2 } }
        test { name: "kind" expr: "1" value { uint64_value: 1 } }
        test { name: "default" expr: "false" }
        test { name: "error" expr: "1" eval_error { errors { code: 1 } } }
        test { name: "unknown" expr: "1" unknown { exprs: 1 } }
        test { name: "fault" expr: "1 +" value { int64_value: 1 } }
        test {
          name: "type" expr: "1" check_only: true
          typed_result { deduced_type { primitive: UINT64 } }
        }
      })";
  Tally tally;
  const absl::Status status = (*suite)->Run(path, tally);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(tally.passed, 1);
  EXPECT_THAT(
      tally.failures,
      testing::ElementsAre(
          "f/s/value: is int 1, want int 2", "f/s/kind: is int 1, want uint 1",
          "f/s/default: is bool false, want bool true",
          "f/s/error: is 1, want an error", "f/s/unknown: is 1, want unknown",
          "f/s/fault: line 1, column 4: unexpected end of expression, want a "
          "value",
          "f/s/type: type is int, want uint"));
}

TEST(ConformanceTest, RefusesFilesThatAreNoTests) {
  if (!ReadShared("vectors/cel/testdata/basic.textproto").has_value()) return;
  const auto suite = ConformanceSuite::Load(SharedPath("vectors/cel/proto"));
  ASSERT_TRUE(suite.ok()) << suite.status();
  Tally tally;
  EXPECT_EQ((*suite)->Run("no such file", tally).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ConformanceTest, RefusesFoldersWithoutProtos) {
  EXPECT_EQ(ConformanceSuite::Load("no such folder").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace kms::cel
