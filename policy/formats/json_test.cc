#include "policy/formats/json.h"

#include <gtest/gtest.h>

#include <string>

namespace kms::formats {
namespace {

absl::StatusOr<JsonValue> Parse(absl::string_view text) {
  return ParseJson(text, "test",
                   {.bytes_max = 100, .depth_max = 3, .values_max = 8});
}
bool Parses(absl::string_view text) {
  const auto json = Parse(text);
  if (!json.ok()) {
    EXPECT_EQ(json.status().code(), absl::StatusCode::kInvalidArgument);
  }
  return json.ok();
}

TEST(JsonTest, ReadsEachKindOfValue) {
  const auto json =
      Parse(R"( {"a": {"b": [1, true, "x"]}, "c": -2, "d":null} )");
  ASSERT_TRUE(json.ok()) << json.status();
  const JsonValue* list = json->Find("a")->Find("b");
  ASSERT_EQ(list->items.size(), 3u);
  EXPECT_EQ(list->text, R"([1, true, "x"])");
  EXPECT_EQ(list->items[0].kind, JsonValue::Kind::kUnsigned);
  EXPECT_EQ(list->items[0].number, 1u);
  EXPECT_EQ(list->items[1].Bool(), true);
  EXPECT_FALSE(list->items[1].String().has_value());
  EXPECT_EQ(*list->items[2].String(), "x");
  EXPECT_EQ(json->Find("c")->kind, JsonValue::Kind::kOther);
  EXPECT_EQ(json->Find("c")->text, "-2");
  EXPECT_FALSE(json->Find("d")->Bool().has_value());
  EXPECT_EQ(json->Find("e"), nullptr);
  EXPECT_EQ(list->Find("a"), nullptr);
  // Their text is a word in quotes.
  EXPECT_FALSE(Parse(R"("true")")->Bool().has_value());
}

TEST(JsonTest, RejectsAMemberTwiceInOneObjectOnly) {
  EXPECT_TRUE(Parses(R"({"a": {"a": 1}, "b": {"a": 2}})"));
  EXPECT_FALSE(Parses(R"({"a": 1, "a": 1})"));
  EXPECT_FALSE(Parses(R"({"b": [{"a": 1, "c": 0, "a": 2}]})"));
}

TEST(JsonTest, RejectsWhatIsNotOneValue) {
  for (const char* text : {"",
                           " ",
                           "{} {}",
                           "{}x",
                           "{",
                           "{\"a\"}",
                           "{\"a\": 1,}",
                           "{a: 1}",
                           "\xef\xbb\xbf{}",
                           "{//\n}",
                           "[1,]",
                           "[1 2]",
                           "\"x",
                           "tru",
                           "nul",
                           "\f{}",
                           "01",
                           "+1",
                           "1.",
                           ".1",
                           "1e",
                           "-",
                           "0x1"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

TEST(JsonTest, ReadsOnlyPlainIntegersAsNumbers) {
  EXPECT_EQ(Parse("999999999999999999")->number, 999999999999999999u);
  for (const char* text :
       {"-1", "1.0", "1e2", "1E+2", "1000000000000000000", "-0"}) {
    const auto json = Parse(text);
    ASSERT_TRUE(json.ok()) << text;
    EXPECT_EQ(json->kind, JsonValue::Kind::kOther) << text;
    EXPECT_EQ(json->text, text);
  }
}

TEST(JsonTest, HoldsItsBounds) {
  EXPECT_TRUE(Parses(R"({"a": [[[]]]})"));
  EXPECT_FALSE(Parses(R"({"a": [[[1]]]})"));
  EXPECT_FALSE(Parses(R"({"a": {"a": {"a": {"a": 1}}}})"));
  EXPECT_TRUE(Parses("[1,1,1,1,1,1,1]"));
  EXPECT_FALSE(Parses("[1,1,1,1,1,1,1,1]"));
  EXPECT_TRUE(Parses("{\"a\": \"" + std::string(91, 'x') + "\"}"));
  EXPECT_FALSE(Parses("{\"a\": \"" + std::string(92, 'x') + "\"}"));
}

// One text in two forms would be two texts to who compares them.
TEST(JsonTest, RejectsTextThatIsNotPlain) {
  for (const char* text :
       {"{\"a\": \"\xff\"}", "{\"a\": \"\xc3\xa4\"}", "{\"a\": \"\\u0061\"}",
        "{\"\\u0061\": 1}", "{\"a\": \"\t\"}", "{\"a\": \"\x7f\"}"}) {
    EXPECT_FALSE(Parses(text)) << text;
  }
}

}  // namespace
}  // namespace kms::formats
