#include "policy/formats/strict_json.h"

#include <gtest/gtest.h>

#include <string>

namespace kms::formats {
namespace {

bool Parses(absl::string_view text) {
  const auto json = ParseStrictJson(text, "test", 100, 3);
  if (!json.ok()) {
    EXPECT_EQ(json.status().code(), absl::StatusCode::kInvalidArgument);
  }
  return json.ok();
}

TEST(StrictJsonTest, ReadsAnObject) {
  const auto json = ParseStrictJson(
      R"( {"a": {"b": [1, true, "x"]}, "b": -2} )", "test", 100, 3);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["a"]["b"][2], "x");
  EXPECT_EQ((*json)["b"], -2);
}

TEST(StrictJsonTest, RejectsAKeyTwiceInOneObjectOnly) {
  EXPECT_TRUE(Parses(R"({"a": {"a": 1}, "b": {"a": 2}})"));
  EXPECT_FALSE(Parses(R"({"a": 1, "a": 1})"));
  EXPECT_FALSE(Parses(R"({"b": [{"a": 1, "\u0061": 2}]})"));
}

TEST(StrictJsonTest, RejectsWhatIsNotOneObject) {
  for (const char* text :
       {"", "[]", "1", "null", "{} {}", "{}x", "{", "{\"a\"}", "{\"a\": 1,}",
        "{a: 1}", "\xef\xbb\xbf{", "{//\n}"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

TEST(StrictJsonTest, RejectsNumbersThatAreNoIntegers) {
  for (const char* text : {"{\"a\": 1.0}", "{\"a\": 1e2}", "{\"a\": 1e400}",
                           "{\"a\": 99999999999999999999}"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

TEST(StrictJsonTest, HoldsItsBounds) {
  EXPECT_TRUE(Parses(R"({"a": [[]]})"));
  EXPECT_FALSE(Parses(R"({"a": [[[]]]})"));
  EXPECT_FALSE(Parses(R"({"a": {"a": {"a": {}}}})"));
  EXPECT_TRUE(Parses("{\"a\": \"" + std::string(91, 'x') + "\"}"));
  EXPECT_FALSE(Parses("{\"a\": \"" + std::string(92, 'x') + "\"}"));
}

TEST(StrictJsonTest, RejectsTextThatIsNotUtf8) {
  EXPECT_FALSE(Parses("{\"a\": \"\xff\"}"));
  EXPECT_FALSE(Parses("{\"a\": \"\\ud800\"}"));
}

}  // namespace
}  // namespace kms::formats
