#include "policy/event_log/event_log.h"

#include <gtest/gtest.h>

#include <string>

#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/log_writer.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"
#include "policy/event_log/uefi_variable.h"

namespace kms::event_log {
namespace {

struct HeaderFields {
  std::string signature = std::string("Spec ID Event03\0", 16);
  uint8_t major = 2;
  uint8_t uintn = 2;
  // Algorithm and digest size.
  std::vector<std::pair<uint16_t, uint16_t>> banks = {{0x000b, 32}};
  std::string vendor = "vendor";
  std::string rest = "";
  std::string digest = std::string(20, '\0');
};

std::string Header(const HeaderFields& fields) {
  ByteWriter data;
  data.Bytes(fields.signature)
      .U32Le(0)
      .U8(0)
      .U8(fields.major)
      .U8(0)
      .U8(fields.uintn)
      .U32Le(static_cast<uint32_t>(fields.banks.size()));
  for (const auto& [algorithm, size] : fields.banks) {
    data.U16Le(algorithm).U16Le(size);
  }
  data.U8(static_cast<uint8_t>(fields.vendor.size()))
      .Bytes(fields.vendor)
      .Bytes(fields.rest);
  return ByteWriter()
      .U32Le(0)
      .U32Le(kEvNoAction)
      .Bytes(fields.digest)
      .U32Le(static_cast<uint32_t>(data.str().size()))
      .Bytes(data.str())
      .Take();
}

v1::RefusalCode CodeOf(const std::string& bytes) {
  return RefusalOf(Parse(AsBytes(bytes)).status());
}

std::string PlainEvent(uint32_t index, uint32_t type, const std::string& data) {
  return ByteWriter()
      .U32Le(index)
      .U32Le(type)
      .Bytes(DigestOf(Algorithm::kSha1, AsBytes(data)))
      .U32Le(static_cast<uint32_t>(data.size()))
      .Bytes(data)
      .Take();
}

TEST(EventLogParserTest, ReadsAHeaderWithoutEvents) {
  const std::string bytes = Header({});
  const auto log = Parse(AsBytes(bytes));
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_TRUE(log->crypto_agile);
  EXPECT_TRUE(log->events.empty());
  EXPECT_EQ(log->FindBank(Algorithm::kSha256), 0u);
  EXPECT_FALSE(log->FindBank(Algorithm::kSha1).has_value());
}

TEST(EventLogParserTest, RefusesBadHeaders) {
  EXPECT_EQ(CodeOf(Header({.major = 1})), v1::EVIDENCE_UNSUPPORTED);
  EXPECT_EQ(CodeOf(Header({.uintn = 0})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.uintn = 3})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.banks = {}})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.banks = {{0x000b, 48}}})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.banks = {{0x0012, 0}}})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.banks = {{0x0012, 65}}})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.banks = {{0x000b, 32}, {0x000b, 32}}})),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.rest = "x"})), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(
      CodeOf(PlainEvent(0, kEvNoAction, std::string("Spec ID Event03\0", 16))),
      v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(Header({.digest = std::string(20, 'x')})),
            v1::EVIDENCE_MALFORMED);
  HeaderFields nine;
  nine.banks.clear();
  for (uint16_t i = 0; i < 9; ++i) nine.banks.emplace_back(0x1000 + i, 32);
  EXPECT_EQ(CodeOf(Header(nine)), v1::EVIDENCE_MALFORMED);
  nine.banks.pop_back();
  EXPECT_EQ(CodeOf(Header(nine)), v1::REFUSAL_CODE_UNSPECIFIED);
}

std::string TwoBanks(uint32_t count, const std::string& digests) {
  return Header({.banks = {{0x000b, 32}, {0x0012, 32}}}) + ByteWriter()
                                                               .U32Le(7)
                                                               .U32Le(kEvIpl)
                                                               .U32Le(count)
                                                               .Bytes(digests)
                                                               .U32Le(1)
                                                               .Bytes("x")
                                                               .Take();
}

TEST(EventLogParserTest, WantsOneDigestOfEachBank) {
  const auto digest = [](uint16_t algorithm, char fill) {
    return ByteWriter().U16Le(algorithm).Bytes(std::string(32, fill)).Take();
  };
  const std::string sha256 = digest(0x000b, 'a');
  const std::string sm3 = digest(0x0012, 'b');
  for (const std::string& order : {sha256 + sm3, sm3 + sha256}) {
    const std::string bytes = TwoBanks(2, order);
    const auto log = Parse(AsBytes(bytes));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(ToString(log->events[0].digests[0]), std::string(32, 'a'));
    EXPECT_EQ(ToString(log->events[0].digests[1]), std::string(32, 'b'));
    EXPECT_TRUE(CanReplay(log->banks[0]));
    EXPECT_FALSE(CanReplay(log->banks[1]));
  }
  EXPECT_EQ(CodeOf(TwoBanks(1, sha256)), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(TwoBanks(2, sha256 + sha256)), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(TwoBanks(2, sha256 + digest(0x000c, 'c'))),
            v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(TwoBanks(3, sha256 + sm3 + sm3)), v1::EVIDENCE_MALFORMED);
}

TEST(EventLogParserTest, ReadsPlainLogs) {
  const std::string bytes = PlainEvent(0, kEvNoAction, StartupLocalityData(3)) +
                            PlainEvent(0, 1, "first") +
                            PlainEvent(7, 1, "second");
  const auto log = Parse(AsBytes(bytes));
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_FALSE(log->crypto_agile);
  EXPECT_EQ(log->events.size(), 3u);
  EXPECT_EQ(log->startup_locality, 3);
  std::string first(20, '\0');
  first.back() = 3;
  EXPECT_EQ(
      Replay(*log, 0).at(0),
      DigestOf(Algorithm::kSha1,
               AsBytes(first + DigestOf(Algorithm::kSha1, AsBytes("first")))));
  EXPECT_EQ(CodeOf(""), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(std::string(4096, '\0')), v1::EVIDENCE_MALFORMED);
  EXPECT_EQ(CodeOf(std::string(4096, '\xff')), v1::EVIDENCE_MALFORMED);
}

TEST(EventLogParserTest, AHeaderCountsOnlyInFirstPlace) {
  const std::string bytes = PlainEvent(7, 1, "x") + Header({});
  const auto log = Parse(AsBytes(bytes));
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_FALSE(log->crypto_agile);
  EXPECT_EQ(log->events.size(), 2u);
}

// ---------------------------------------------------------------------------
// Text

std::optional<Measured> MeasuredOf(uint32_t type, const std::string& hashed,
                                   const std::string& data) {
  const std::string digest = DigestOf(Algorithm::kSha256, AsBytes(hashed));
  const Event event{.index = 8,
                    .type = type,
                    .digests = {AsBytes(digest)},
                    .data = AsBytes(data)};
  auto measured = FindMeasured(event, Algorithm::kSha256, 0);
  // What it may alias ends with this scope.
  if (measured.has_value()) measured->variable.reset();
  return measured;
}

TEST(MeasuredTest, KnowsGrubsPrefixes) {
  for (const std::string prefix :
       {"grub_cmd: ", "kernel_cmdline: ", "module_cmdline: ", "grub_cmd ",
        "grub_kernel_cmdline "}) {
    for (const std::string& zero : {std::string(), std::string(1, '\0')}) {
      const auto line = MeasuredOf(kEvIpl, "text", prefix + "text" + zero);
      ASSERT_TRUE(line.has_value()) << prefix;
      EXPECT_EQ(line->text, "text");
      EXPECT_EQ(line->says_command_line,
                prefix.find("kernel_cmdline") != std::string::npos);
    }
    const std::string ended("text\0", 5);
    EXPECT_TRUE(MeasuredOf(kEvIpl, ended, prefix + ended).has_value());
    EXPECT_FALSE(MeasuredOf(kEvIpl, "other", prefix + "text").has_value());
  }
  EXPECT_FALSE(MeasuredOf(kEvIpl, "text", "prefix: text").has_value());
  // Other types have no prefixes.
  EXPECT_FALSE(MeasuredOf(0x80000007, "text", "grub_cmd: text").has_value());
}

TEST(MeasuredTest, KnowsSectionNamesAndTags) {
  const auto section =
      MeasuredOf(kEvIpl, std::string(".linux\0", 7), Utf16Data(".linux"));
  ASSERT_TRUE(section.has_value());
  EXPECT_EQ(section->text, ".linux");
  EXPECT_FALSE(MeasuredOf(kEvIpl, ".linux", Utf16Data(".linux")).has_value());
  const std::string tagged =
      ByteWriter().U32Le(1).U32Le(4).Bytes("text").Take();
  EXPECT_EQ(MeasuredOf(kEvEventTag, "text", tagged)->text, "text");
  EXPECT_FALSE(MeasuredOf(kEvEventTag, "text", tagged + "x").has_value());
}

TEST(MeasuredTest, TakesOnlyTextForText) {
  EXPECT_EQ(MeasuredOf(5, "text", "text")->text, "text");
  EXPECT_EQ(MeasuredOf(5, Utf16Data("wide"), Utf16Data("wide"))->text, "wide");
  for (const std::string& binary :
       {std::string("a\0b", 3), std::string("\x1b[2J"), std::string("\xff\xfe"),
        std::string("\xe2\x80\xae turned"), std::string("a\x7f"),
        std::string("a\xc2\x85"), std::string(),
        // UTF-16, but not ended as text is.
        std::string("\x00\x30", 2), std::string("A\0B\0", 4)}) {
    ASSERT_TRUE(MeasuredOf(5, binary, binary).has_value());
    EXPECT_EQ(MeasuredOf(5, binary, binary)->text, "");
  }
}

TEST(MeasuredTest, SaysNothingOfAVariableThatIsNone) {
  const auto measured =
      MeasuredOf(kEvEfiVariableDriverConfig, "no variable", "no variable");
  ASSERT_TRUE(measured.has_value());
  EXPECT_EQ(measured->text, "");
  EXPECT_FALSE(measured->value.has_value());
}

// What kmsctl shows in brackets.
TEST(MeasuredTest, LabelsWhatNobodyMeasured) {
  const auto label = [](uint32_t type, const std::string& data) {
    return UnmeasuredLabel({.index = 8, .type = type, .data = AsBytes(data)});
  };
  EXPECT_EQ(label(kEvIpl, "text"), "text");
  EXPECT_EQ(
      label(kEvEventTag, ByteWriter().U32Le(1).U32Le(4).Bytes("text").Take()),
      "text");
  EXPECT_EQ(label(kEvEventTag, "8 bytes."), "8 bytes.");
  EXPECT_EQ(label(kEvEfiVariableBoot,
                  VariableData(std::string(16, 'g'), "Name", "data")),
            "Name-67676767-6767-6767-6767-676767676767");
  EXPECT_EQ(label(kEvEfiVariableBoot, "no variable"), "");
}

TEST(UefiVariableTest, ReadsExactlyOne) {
  const std::string guid(16, 'g');
  const std::string good = VariableData(guid, "Name", "data");
  const auto variable = ParseUefiVariable(AsBytes(good));
  ASSERT_TRUE(variable.has_value());
  EXPECT_EQ(variable->name, "Name");
  EXPECT_EQ(AsStringView(variable->data), "data");
  EXPECT_FALSE(ParseUefiVariable(AsBytes(good + "x")).has_value());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseUefiVariable(AsBytes(good).first(size)).has_value());
  }
  for (const size_t at : {16u, 24u}) {
    for (const uint64_t value :
         {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 32}) {
      std::string huge = good;
      huge.replace(at, 8, ByteWriter().U64Le(value).Take());
      EXPECT_FALSE(ParseUefiVariable(AsBytes(huge)).has_value());
    }
  }
  // Firmware's name would end at the zero.
  EXPECT_FALSE(ParseUefiVariable(
                   AsBytes(VariableData(guid, std::string("Name\0", 5), "")))
                   .has_value());
}

TEST(UefiVariableTest, ReadsTextInUtf16) {
  const auto text = [](std::initializer_list<uint16_t> units) {
    ByteWriter writer;
    for (const uint16_t unit : units) writer.U16Le(unit);
    return Utf16Text(AsBytes(writer.str()));
  };
  EXPECT_EQ(text({'a', 0xe9, 0x20ac, 0xd83d, 0xde00}),
            "a\u00e9\u20ac\U0001f600");
  EXPECT_EQ(text({'a', 0}), "a");
  EXPECT_FALSE(text({'a', 0, 'b'}).has_value());
  EXPECT_FALSE(text({'a', 0xd83d}).has_value());
  EXPECT_FALSE(text({'a', 0xd83d, 'b'}).has_value());
  EXPECT_FALSE(text({'a', 0xd83d, 0xe000}).has_value());
  EXPECT_FALSE(text({0xde00, 'a'}).has_value());
  EXPECT_FALSE(text({}).has_value());
  EXPECT_FALSE(text({0}).has_value());
  EXPECT_FALSE(Utf16Text(AsBytes("abc")).has_value());
  EXPECT_FALSE(Utf8Text({}).has_value());
  EXPECT_FALSE(Utf8Text(AsBytes(std::string(1, '\0'))).has_value());
}

TEST(UefiVariableTest, ReadsTheDescriptionOfALoadOption) {
  const auto option = [](uint16_t path_bytes, const std::string& paths) {
    return ByteWriter()
        .U32Le(1)
        .U16Le(path_bytes)
        .Bytes(Utf16Data("ubuntu"))
        .Bytes(paths)
        .Take();
  };
  EXPECT_EQ(LoadOptionDescription(AsBytes(option(4, "path"))), "ubuntu");
  EXPECT_EQ(LoadOptionDescription(AsBytes(option(4, "path and data"))),
            "ubuntu");
  EXPECT_FALSE(LoadOptionDescription(AsBytes(option(5, "path"))).has_value());
  EXPECT_FALSE(LoadOptionDescription(AsBytes(option(0, "path"))).has_value());
  EXPECT_FALSE(LoadOptionDescription(AsBytes("short")).has_value());
}

}  // namespace
}  // namespace kms::event_log
