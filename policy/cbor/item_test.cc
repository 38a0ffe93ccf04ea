// What CBOR may not do to us. Source of the examples: RFC 8949, appendix A.
#include "policy/cbor/item.h"

#include <gtest/gtest.h>

#include <string>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/cbor/limits.h"
#include "policy/cbor/writer.h"

namespace kms::cbor {
namespace {

// An item aliases its bytes, so they are kept beside it.
struct Parsed {
  std::string bytes;
  absl::StatusOr<Item> item;
};

Parsed ParseHex(const std::string& hex, const Rules& rules = {}) {
  Parsed parsed{*Unhex(hex), absl::UnknownError("")};
  parsed.item = Parse(AsBytes(parsed.bytes), rules, "test");
  return parsed;
}

// Empty if accepted.
std::string Fault(const std::string& hex, const Rules& rules = {}) {
  const Parsed parsed = ParseHex(hex, rules);
  if (parsed.item.ok()) return "";
  EXPECT_EQ(RefusalOf(parsed.item.status()), v1::EVIDENCE_MALFORMED);
  return std::string(parsed.item.status().message());
}

constexpr char kLongHead[] =
    "test: CBOR with a head that is longer than it needs to be";
constexpr char kShort[] = "test: CBOR with cut short, or a head that is none";
constexpr char kRefused[] =
    "test: CBOR with a float, a simple value or a string in chunks";
constexpr char kIndefinite[] = "test: CBOR with an indefinite length";

TEST(ItemTest, ReadsEachType) {
  const Parsed parsed = ParseHex("8a00182a20387f4201026161f5f6a10102c101");
  ASSERT_TRUE(parsed.item.ok()) << parsed.item.status();
  const auto items = parsed.item->items();
  ASSERT_EQ(items.size(), 10u);
  EXPECT_EQ(items[0].Unsigned(), 0u);
  EXPECT_EQ(items[1].Integer(), 42);
  EXPECT_EQ(items[2].Integer(), -1);
  EXPECT_EQ(items[2].Unsigned(), std::nullopt);
  EXPECT_EQ(items[3].Integer(), -128);
  EXPECT_EQ(ToString(*items[4].Bytes()), "\x01\x02");
  EXPECT_EQ(items[4].Text(), std::nullopt);
  EXPECT_EQ(*items[5].Text(), "a");
  EXPECT_EQ(items[6].Bool(), true);
  EXPECT_TRUE(items[7].null());
  ASSERT_NE(items[8].Find(1), nullptr);
  EXPECT_EQ(items[8].Find(1)->Unsigned(), 2u);
  EXPECT_EQ(items[8].Find(2), nullptr);
  EXPECT_EQ(items[9].Tag(), 1u);
  EXPECT_EQ(items[9].items()[0].Unsigned(), 1u);
}

TEST(ItemTest, ReadsEachTag) {
  for (uint64_t tag = 0; tag < 1000; ++tag) {
    const std::string bytes = Writer().Tag(tag).Null().Take();
    const auto item = Parse(AsBytes(bytes), {}, "test");
    ASSERT_TRUE(item.ok()) << item.status();
    EXPECT_EQ(item->Tag(), tag);
  }
}

TEST(ItemTest, SaysNothingOfOtherTypes) {
  // A tag's number, a text's length and a truth are no integers; pairs in an
  // array are no map.
  for (const char* hex : {"c101", "6101", "4101", "f5", "8101", "a10101"}) {
    EXPECT_FALSE(ParseHex(hex).item->Integer().has_value()) << hex;
    EXPECT_FALSE(ParseHex(hex).item->Unsigned().has_value()) << hex;
  }
  EXPECT_FALSE(ParseHex("01").item->Tag().has_value());
  EXPECT_EQ(ParseHex("f4").item->Bool(), false);
  EXPECT_EQ(ParseHex("f5").item->Bool(), true);
  EXPECT_FALSE(ParseHex("01").item->Bool().has_value());
  EXPECT_EQ(ParseHex("820102").item->Find(1), nullptr);
  EXPECT_EQ(ParseHex("82616102").item->Find("a"), nullptr);
  EXPECT_NE(ParseHex("a10102").item->Find(1), nullptr);
}

TEST(ItemTest, SaysNothingForIntegersThatDoNotFit) {
  EXPECT_EQ(ParseHex("1b7fffffffffffffff").item->Integer(), INT64_MAX);
  EXPECT_EQ(ParseHex("1b8000000000000000").item->Integer(), std::nullopt);
  EXPECT_EQ(ParseHex("1bffffffffffffffff").item->Unsigned(), UINT64_MAX);
  EXPECT_EQ(ParseHex("3b7fffffffffffffff").item->Integer(), INT64_MIN);
  EXPECT_EQ(ParseHex("3bffffffffffffffff").item->Integer(), std::nullopt);
}

TEST(ItemTest, RejectsLongHeads) {
  for (const char* hex :
       {"1817", "190017", "1900ff", "1a0000ffff", "1b00000000ffffffff", "3800",
        "5800", "580161", "7800", "980101", "b8010102", "d81201"}) {
    EXPECT_EQ(Fault(hex), kLongHead) << hex;
    EXPECT_EQ(Fault(hex, {.long_heads = true}), "") << hex;
  }
  EXPECT_EQ(ParseHex("1900ff", {.long_heads = true}).item->Unsigned(), 255u);
}

TEST(ItemTest, RejectsIndefiniteLengthsUnlessTold) {
  for (const char* hex : {"9fff", "9f01ff", "bfff", "bf0102ff", "819fff"}) {
    EXPECT_EQ(Fault(hex), kIndefinite) << hex;
    EXPECT_EQ(Fault(hex, {.indefinite_containers = true}), "") << hex;
  }
  const Parsed map = ParseHex("bf616101ff", {.indefinite_containers = true});
  EXPECT_EQ(map.item->Find("a")->Unsigned(), 1u);
}

// Even where containers may be: a string in chunks has many encodings.
TEST(ItemTest, RejectsStringsInChunks) {
  for (const char* hex : {"5f4101ff", "7f6161ff", "815fff", "bf7fff01ff"}) {
    EXPECT_EQ(Fault(hex, {.indefinite_containers = true}), kRefused) << hex;
  }
}

TEST(ItemTest, RejectsBreaksWithoutAStart) {
  constexpr char kBreak[] = "test: CBOR with a break without a start";
  const Rules rules = {.indefinite_containers = true};
  EXPECT_EQ(Fault("ff", rules), kBreak);
  EXPECT_EQ(Fault("82ff01", rules), kBreak);
  EXPECT_EQ(Fault("c1ff", rules), kBreak);
  EXPECT_EQ(Fault("bf01ff", rules), "test: CBOR with a key without a value");
}

TEST(ItemTest, RejectsFloatsAndSimpleValues) {
  for (const char* hex : {"f90000", "fa00000000", "fb0000000000000000", "f7",
                          "81f90000", "a1f9000001"}) {
    EXPECT_EQ(Fault(hex), kRefused) << hex;
  }
  // Those that the decoder takes for no head.
  for (const char* hex : {"e0", "f3", "f814", "f820", "f8ff", "1c", "fc"}) {
    EXPECT_EQ(Fault(hex), kShort) << hex;
  }
}

TEST(ItemTest, RejectsAKeyTwice) {
  constexpr char kTwice[] = "test: CBOR with a key twice in one map";
  EXPECT_EQ(Fault("a201020103"), kTwice);
  EXPECT_EQ(Fault("a2616101616102"), kTwice);
  EXPECT_EQ(Fault("a220012001"), kTwice);
  EXPECT_EQ(Fault("bf01020103ff", {.indefinite_containers = true}), kTwice);
  // By value, not by encoding.
  EXPECT_EQ(Fault("a20102180103", {.long_heads = true}), kTwice);
  EXPECT_EQ(Fault("a300012001613002"), "");
}

TEST(ItemTest, RejectsKeysThatAreNoLabels) {
  constexpr char kKey[] =
      "test: CBOR with a key that is no integer and no text";
  for (const char* hex :
       {"a1410101", "a18001", "a1a001", "a1f501", "a1f601", "a1c10101"}) {
    EXPECT_EQ(Fault(hex), kKey) << hex;
  }
}

TEST(ItemTest, RejectsTextThatIsNotUtf8) {
  EXPECT_EQ(Fault("62c328"), "test: CBOR with text that is not UTF-8");
  EXPECT_EQ(Fault("62c3a9"), "");
}

TEST(ItemTest, RejectsBytesAfterTheEndAndEveryTruncation) {
  EXPECT_EQ(Fault("0000"), "test: CBOR with bytes after its end");
  const std::string hex = "a2616144010203046162821901f4c1617a";
  ASSERT_EQ(Fault(hex), "");
  for (size_t size = 0; size < hex.size(); size += 2) {
    EXPECT_EQ(Fault(hex.substr(0, size)), kShort) << size;
  }
}

TEST(ItemTest, RejectsLengthsBeyondTheInput) {
  for (const char* hex :
       {"5a7fffffff00", "5affffffff00", "5bffffffffffffffff00",
        "7b7fffffffffffffff00", "5b0000000100000000"}) {
    EXPECT_EQ(Fault(hex), kShort) << hex;
  }
  constexpr char kMany[] = "test: CBOR with too many items";
  for (const char* hex :
       {"9a7fffffff00", "9bffffffffffffffff", "ba7fffffff00",
        "bb8000000000000000", "bbffffffffffffffff", "b90201", "990401"}) {
    EXPECT_EQ(Fault(hex), kMany) << hex;
  }
}

std::string Nested(int depth, uint8_t head) {
  return std::string(static_cast<size_t>(depth), static_cast<char>(head)) +
         '\0';
}

TEST(ItemTest, BoundsDepthAndItems) {
  for (const uint8_t head : {uint8_t{0x81}, uint8_t{0xc1}, uint8_t{0x9f}}) {
    const Rules rules = {.indefinite_containers = true};
    const std::string deepest =
        Nested(kDepthMax, head) +
        (head == 0x9f ? std::string(kDepthMax, '\xff') : "");
    EXPECT_TRUE(Parse(AsBytes(deepest), rules, "test").ok());
    for (const int depth : {kDepthMax + 1, 100000}) {
      const auto item = Parse(AsBytes(Nested(depth, head)), rules, "test");
      EXPECT_EQ(item.status().message(), "test: CBOR with nested too deeply");
    }
  }
  const std::string most =
      Writer().Array(kItemsMax - 1).str() + std::string(kItemsMax - 1, '\0');
  EXPECT_TRUE(Parse(AsBytes(most), {}, "test").ok());
  const std::string more = "\x9f" + std::string(kItemsMax, '\0') + "\xff";
  EXPECT_EQ(Parse(AsBytes(more), {.indefinite_containers = true}, "test")
                .status()
                .message(),
            "test: CBOR with too many items");
}

TEST(ItemTest, WritesWhatItRead) {
  for (const char* hex :
       {"8a00182a20387f4201026161f5f6a10102c101", "f4", "1b0000000100000000",
        "bf010261619f01ffff", "d9018fa0"}) {
    const Parsed parsed = ParseHex(hex, {.indefinite_containers = true});
    ASSERT_TRUE(parsed.item.ok()) << hex;
    std::string out;
    parsed.item->AppendTo(out);
    EXPECT_EQ(Hex(out), hex);
  }
}

}  // namespace
}  // namespace kms::cbor
