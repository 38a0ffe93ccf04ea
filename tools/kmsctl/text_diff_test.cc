#include "tools/kmsctl/text_diff.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace kms::kmsctl {
namespace {

std::string Diff(absl::string_view from, absl::string_view to) {
  return UnifiedDiff("a", from, "b", to);
}

TEST(UnifiedDiffTest, EqualTextsDifferInNothing) {
  EXPECT_EQ(Diff("", ""), "");
  EXPECT_EQ(Diff("x\ny\n", "x\ny\n"), "");
}

TEST(UnifiedDiffTest, ShowsWhatChangedWithThreeLinesAround) {
  EXPECT_EQ(
      Diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"),
      "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

TEST(UnifiedDiffTest, ChangesFarApartAreHunksOfTheirOwn) {
  std::string from;
  std::string to;
  for (int i = 1; i <= 20; ++i) {
    absl::StrAppend(&from, i, "\n");
    if (i != 2) absl::StrAppend(&to, i, "\n");
    if (i == 18) absl::StrAppend(&to, "more\n");
  }
  EXPECT_EQ(Diff(from, to),
            "--- a\n+++ b\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n"
            "@@ -16,5 +15,6 @@\n 16\n 17\n 18\n+more\n 19\n 20\n");
}

TEST(UnifiedDiffTest, ChangesNearEachOtherAreOneHunk) {
  EXPECT_EQ(
      Diff("1\n2\n3\n4\n5\n6\n", "one\n2\n3\n4\n5\nsix\n"),
      "--- a\n+++ b\n@@ -1,6 +1,6 @@\n-1\n+one\n 2\n 3\n 4\n 5\n-6\n+six\n");
}

TEST(UnifiedDiffTest, OneSideMayBeEmpty) {
  EXPECT_EQ(Diff("", "1\n2\n"), "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+1\n+2\n");
  EXPECT_EQ(Diff("1\n", ""), "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-1\n");
}

TEST(UnifiedDiffTest, VeryManyChangedLinesAreReplacedWhole) {
  std::string from;
  std::string to;
  for (int i = 0; i < 3000; ++i) {
    absl::StrAppend(&from, "-", i, "\n");
    absl::StrAppend(&to, "+", i, "\nsame\n");
  }
  const std::string diff = Diff(from, to);
  EXPECT_EQ(diff.substr(0, 40), "--- a\n+++ b\n@@ -1,3000 +1,6000 @@\n--0\n--");
}

}  // namespace
}  // namespace kms::kmsctl
