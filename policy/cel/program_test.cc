#include "policy/cel/program.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "policy/cel/limits.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::cel {
namespace {

using ::testing::HasSubstr;

Environment MakeEnvironment() {
  Environment environment("kms.v1");
  environment.AddVariable("claims", Type::Message(v1::Claims::descriptor()));
  environment.AddVariable("now", Type::Kind::kTimestamp);
  environment.AddVariable("images", Type::List(Type::Kind::kBytes));
  environment.AddVariable("reference.images", Type::List(Type::Kind::kBytes));
  environment.AddVariable(
      "file",
      Type::Message(google::protobuf::FileDescriptorProto::descriptor()));
  environment.AddEnum(v1::EvidenceType_descriptor());
  return environment;
}

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    auto* cpu = claims_.mutable_cpu();
    cpu->set_type(v1::SEV_SNP);
    cpu->set_anchor("amd-ark-milan");
    cpu->set_measurement(std::string("\x01\x02", 2));
    cpu->set_product("milan");
    auto* snp = cpu->mutable_snp();
    snp->set_version(2);
    snp->set_guest_svn(7);
    snp->set_policy(0x30000);
    snp->mutable_reported_tcb()->set_snp(9);
    snp->set_current_firmware("1.55.10");
    file_.add_dependency("a");
    file_.add_dependency("bb");
    file_.add_public_dependency(4);
    file_.add_message_type()->set_name("M");
    items_ = {Value::Bytes("\x01\x02"), Value::Bytes("\x03")};
  }

  std::vector<Value> Variables() const {
    absl::Time now;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, "2024-05-01T10:20:30.25Z",
                                &now, &error));
    return {Value::OfMessage(claims_), Value::Timestamp(now),
            Value::List(items_), Value::List(items_), Value::OfMessage(file_)};
  }

  // The rendered value, "error: ..." or "line 1, column ...".
  std::string Run(absl::string_view source, bool strict = false,
                  uint64_t cost_limit = kCostMax) {
    Issue issue;
    const auto program = Program::Compile(source, environment_, Type(), issue);
    if (!program.has_value()) {
      return Describe(source, issue.offset(), issue.text());
    }
    google::protobuf::Arena arena;
    EvaluateOptions options;
    options.strict = strict;
    options.cost_limit = cost_limit;
    const std::vector<Value> variables = Variables();
    const Outcome outcome = program->Evaluate(variables, options, arena);
    if (outcome.error != nullptr) {
      return absl::StrCat("error: ", outcome.error);
    }
    return Render(outcome.value);
  }

  // "span | seen | wanted" of each failure of a strict rule.
  std::vector<std::string> Why(absl::string_view source) {
    Issue issue;
    const auto program =
        Program::Compile(source, environment_, Type::Kind::kBool, issue);
    if (!program.has_value()) return {issue.text()};
    EvaluateOptions options;
    options.strict = true;
    std::vector<std::string> lines;
    const std::vector<Value> variables = Variables();
    for (const Failure& failure : program->Explain(variables, options)) {
      lines.push_back(
          absl::StrCat(source.substr(failure.span.begin,
                                     failure.span.end - failure.span.begin),
                       " | ", failure.seen, " | ", failure.wanted));
    }
    return lines;
  }

  const Environment environment_ = MakeEnvironment();
  v1::Claims claims_;
  google::protobuf::FileDescriptorProto file_;
  std::vector<Value> items_;
};

struct Case {
  absl::string_view source;
  absl::string_view want;
};

TEST_F(ProgramTest, EvaluatesByTheSpecification) {
  const Case cases[] = {
      // Literals.
      {"1", "1"},
      {"0x1F", "31"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"9223372036854775807", "9223372036854775807"},
      {"18446744073709551615u", "18446744073709551615"},
      {"1.5e3", "1500"},
      {".5", "0.5"},
      {"'a' \"b\" == 'ab'", "line 1, column 5: unexpected literal"},
      {R"('\x41\u00e9\101\n' == "Aé" + 'A' + """
)"
       "\"\"\"",
       "true"},
      {R"(r'\n' == '\\n')", "true"},
      {R"(b'\xff\377' == unhex('ffff'))", "true"},
      {"b'é' == b'\\xc3\\xa9'", "true"},
      {"'''a'b''' == \"a'b\"", "true"},
      {"1 // a comment\n + 2", "3"},
      {"[1, 2,]", "[1, 2]"},
      {"{'a': 1, 'b': 2}", "{a: 1, b: 2}"},
      {"null", "null"},
      // Precedence and associativity.
      {"1 + 2 * 3 - 4 / 2 % 3", "5"},
      {"10 - 3 - 2", "5"},
      {"true || false && false", "true"},
      {"!false && !!true", "true"},
      {"--1", "1"},
      {"- 5 + 6", "1"},
      {"1 < 2 == true", "true"},
      {"false ? 1 : true ? 2 : 3", "2"},
      {"(1 + 2) * 3", "9"},
      {"1 in [1] && 2 in [1] == false", "true"},
      // Arithmetic.
      {"9223372036854775807 + 1", "error: number is out of range"},
      {"-9223372036854775808 - 1", "error: number is out of range"},
      {"-(-9223372036854775808)", "error: number is out of range"},
      {"9223372036854775807 * 2", "error: number is out of range"},
      {"-9223372036854775808 / -1", "error: number is out of range"},
      {"-9223372036854775808 % -1", "error: number is out of range"},
      {"0u - 1u", "error: number is out of range"},
      {"1 / 0", "error: division by zero"},
      {"1u % 0u", "error: division by zero"},
      {"1.0 / 0.0 > 1e308", "true"},
      {"-7 / 2", "-3"},
      {"-7 % 2", "-1"},
      // Comparison.
      {"'a' < 'b' && b'a' < b'ab' && false < true", "true"},
      {"-1 < 1u && 1u < 1.5 && 2 > 1.5 && 1u > -1", "true"},
      {"9007199254740993 > 9007199254740992.0", "true"},
      {"18446744073709551615u < 18446744073709551616.0", "true"},
      {"0.0 / 0.0 == 0.0 / 0.0", "false"},
      {"dyn(1) == dyn(1u) && dyn(1) == dyn(1.0)", "true"},
      {"dyn(1) == dyn('1')", "false"},
      {"[1, [2, 3]] == [1, [2, 3]]", "true"},
      {"{'a': [1]} == {'a': [1]} && {'a': 1} != {'b': 1}", "true"},
      {"'10' < '9'", "true"},  // Why versions are not compared as strings.
      // Text.
      {"size('é€') == 2 && size(b'é') == 2 && 'abc'.size() == 3", "true"},
      {"'abc'.startsWith('ab') && 'abc'.endsWith('bc') && "
       "'abc'.contains('b')",
       "true"},
      {"'abc'.matches('^a.c$') && 'xabcx'.matches('b') && "
       "matches('abc', 'z') == false",
       "true"},
      {"'a'.matches('(' + 'a')", "error: pattern is not a regular expression"},
      {"'a' + 'b' + 'c'", "abc"},
      {"b'a' + b'b'", "6162"},
      {"hex(b'\\x00\\xff')", "00ff"},
      {"unhex('00F' + 'f')", "00ff"},
      {"unhex('0' + '')", "error: text is not an even number of hex digits"},
      // Lists and maps.
      {"[1, 2, 3][1]", "2"},
      {"[1][1]", "error: index is out of range"},
      {"[1][-1]", "error: index is out of range"},
      {"{'a': 1}['a'] + {'a': 1}.a", "2"},
      {"{'a': 1}['b']", "error: no such key in the map"},
      {"{'a': 1}.b", "error: no such key in the map"},
      {"{'a': 1, 'a': 2}", "error: map key is repeated"},
      {"has({'a': 1}.a) && !has({'a': 1}.b)", "true"},
      {"'a' in {'a': 1}", "true"},
      {"[1] + [2]", "[1, 2]"},
      {"size([1, 2]) + size({1: 2})", "3"},
      {"b'\\x03' in images && b'' in images == false", "true"},
      // Macros.
      {"[1, 2].all(x, x > 0) && ![1, 2].all(x, x > 1)", "true"},
      {"[1, 2].exists(x, x == 2) && ![].exists(x, true)", "true"},
      {"[1, 2, 2].exists_one(x, x == 1)", "true"},
      {"[1, 2, 2].exists_one(x, x == 2)", "false"},
      {"[1, 2].map(x, x * 2)", "[2, 4]"},
      {"[1, 2, 3].map(x, x > 1, x * 2)", "[4, 6]"},
      {"[1, 2, 3].filter(x, x > 1)", "[2, 3]"},
      {"{'a': 1, 'b': 2}.all(k, k < 'c')", "true"},
      {"[[1, 2], [3]].all(x, x.exists(y, y in x))", "true"},
      {"[1].all(now, now == 1)", "true"},  // The macro's variable shadows.
      // Errors and logic: commutative unless strict.
      {"1 / 0 == 1 || true", "true"},
      {"true || 1 / 0 == 1", "true"},
      {"1 / 0 == 1 && false", "false"},
      {"1 / 0 == 1 && true", "error: division by zero"},
      {"[1, 0].exists(x, 1 / x == 1)", "true"},
      {"[0, 1].exists(x, 1 / x == 1)", "true"},
      {"[0, 2].exists(x, 1 / x == 1)", "error: division by zero"},
      {"[0, 2].all(x, 1 / x == 1)", "false"},
      {"dyn(1) && true", "error: operand is not a bool"},
      {"dyn(1) && false", "false"},
      {"dyn(1) + dyn('a')", "error: no overload for these values"},
      {"!dyn(1)", "error: no overload for these values"},
      {"true ? 1 : 1 / 0", "1"},
      // Conversions.
      {"int('-5') + int('+5') + int(5u) + int(5.9)", "10"},
      {"int(' 5')", "error: text does not convert to this type"},
      {"int('5x')", "error: text does not convert to this type"},
      {"int('')", "error: text does not convert to this type"},
      {"int('9223372036854775808')",
       "error: text does not convert to this type"},
      {"int(18446744073709551615u)", "error: number is out of range"},
      {"int(1e19)", "error: number is out of range"},
      {"int(0.0 / 0.0)", "error: number is out of range"},
      {"uint(-1)", "error: number is out of range"},
      {"uint('7') + uint(7.2)", "14"},
      {"double('1.5') + double(1) + double(1u)", "3.5"},
      {"string(1) + string(2u) + string(0.5) + string(true) + string(b'x')",
       "120.5truex"},
      {"string(b'\\xff')", "error: bytes are not valid UTF-8"},
      {"bytes('a')", "61"},
      {"bool('true') && !bool('False')", "true"},
      {"bool('yes')", "error: text does not convert to this type"},
      // Time.
      {"now", "2024-05-01T10:20:30.25+00:00"},
      {"now > timestamp('2024-05-01T00:00:00Z')", "true"},
      {"timestamp('2024-05-01T02:00:00+02:00') == "
       "timestamp('2024-05-01T00:00:00Z')",
       "true"},
      {"timestamp(0) == timestamp('1970-01-01T00:00:00Z')", "true"},
      {"int(now)", "1714558830"},
      {"string(timestamp('2024-05-01T00:00:00.5Z'))", "2024-05-01T00:00:00.5Z"},
      {"now - timestamp('2024-05-01T10:20:00Z') == duration('30.25s')", "true"},
      {"now + duration('1h') - now == duration('60m')", "true"},
      {"string(duration('1h30m')) + string(-duration('500ms'))", "5400s-0.5s"},
      {"duration('1h') + duration('1m') < duration('62m')", "true"},
      // No more than nanoseconds, the rest cut off.
      {"string(duration('0.25ns')) + string(duration('-1.75ns'))",
       "0s-0.000000001s"},
      {"timestamp('2024-05-01T10:20:00.0000000005Z') == "
       "timestamp('2024-05-01T10:20:00Z')",
       "true"},
      {"timestamp('9999-12-31T23:59:59Z') + duration('1s')",
       "error: timestamp or duration is out of range"},
      {"now.getFullYear() == 2024 && now.getMonth() == 4 && "
       "now.getDate() == 1 && now.getDayOfMonth() == 0 && "
       "now.getDayOfWeek() == 3 && now.getDayOfYear() == 121",
       "true"},
      {"now.getHours() == 10 && now.getMinutes() == 20 && "
       "now.getSeconds() == 30 && now.getMilliseconds() == 250",
       "true"},
      {"duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90",
       "true"},
      // Messages.
      {"claims.cpu.type == EvidenceType.SEV_SNP", "true"},
      {"claims.cpu.type == .kms.v1.EvidenceType.SEV_SNP", "true"},
      {"claims.cpu.measurement in reference.images", "true"},
      {"claims.cpu.snp.reported_tcb.snp >= 9", "true"},
      {"claims.cpu.snp.policy == 0x30000u", "true"},
      {"has(claims.cpu) && has(claims.cpu.snp.reported_tcb)", "true"},
      {"has(claims.cpu.snp.launch_tcb)", "false"},
      {"has(claims.cpu.debug)", "false"},
      {"claims.cpu.snp.launch_tcb.snp == 0u", "true"},
      {"claims.cpu == claims.cpu && claims.cpu.snp != null", "true"},
      {"file.dependency == ['a', 'bb'] && size(file.dependency) == 2", "true"},
      {"file.dependency[1] + file.name", "bb"},
      {"file.message_type.all(m, m.name == 'M')", "true"},
      {"4 in file.public_dependency", "true"},
      {"has(file.dependency) && !has(file.weak_dependency)", "true"},
  };
  for (const Case& c : cases) EXPECT_EQ(Run(c.source), c.want) << c.source;
}

TEST_F(ProgramTest, RefusesAtCompileTimeWithPosition) {
  const Case cases[] = {
      {"", "line 1, column 1: unexpected end of expression, want a value"},
      {"1 +", "line 1, column 4: unexpected end of expression, want a value"},
      {"(1", "line 1, column 3: unexpected end of expression, want ')'"},
      {"1 1", "line 1, column 3: unexpected literal"},
      {"a = 1", "line 1, column 3: unexpected character"},
      {"'é' + #", "line 1, column 7: unexpected character"},
      {"true &&\n  'a", "line 2, column 3: string is not closed"},
      {"'a\nb'",
       "line 1, column 3: line break in a string; use triple quotes or \\n"},
      {"'\\q'", "line 1, column 2: invalid escape in a string"},
      {"'\\ud800'", "line 1, column 2: invalid escape in a string"},
      {"b'\\u0041'", "line 1, column 3: invalid escape in a string"},
      {"'\\400'", "line 1, column 2: invalid escape in a string"},
      {"0x", "line 1, column 1: hexadecimal number without digits"},
      {"1e", "line 1, column 1: exponent without digits"},
      {"12abc", "line 1, column 3: unexpected letter after a number"},
      {"9223372036854775808",
       "line 1, column 1: number is out of range for int"},
      {"18446744073709551616u",
       "line 1, column 1: number is out of range for uint"},
      {"1e999", "line 1, column 1: number is out of range for double"},
      {"while",
       "line 1, column 1: unexpected reserved word 'while', want a "
       "value"},
      {"[1, 2", "line 1, column 6: unexpected end of expression, want ','"},
      {"f(1,)", "line 1, column 5: unexpected ')' after ','"},
      {"claims.",
       "line 1, column 8: unexpected end of expression, want a "
       "field name"},
      {"Clams{}", "line 1, column 1: unknown message type 'Clams'"},
      {"CpuClaims{debg: true}",
       "line 1, column 11: kms.v1.CpuClaims has no field 'debg'; did you mean "
       "'debug'?"},
      {"CpuClaims{debug: 1}",
       "line 1, column 18: field 'debug' is bool, not int"},
      {"CpuClaims{debug: true, debug: true}",
       "line 1, column 24: field 'debug' is repeated"},
      {"has(claims)",
       "line 1, column 1: has() takes one field, as in "
       "has(claims.cpu)"},
      {"[1].all(1, true)",
       "line 1, column 9: first argument of all() must be a plain name"},
      {"clams.cpu",
       "line 1, column 1: unknown name 'clams'; did you mean "
       "'claims'?"},
      {"claims.cpu.measurment == b''",
       "line 1, column 12: kms.v1.CpuClaims has no field 'measurment'; did "
       "you mean 'measurement'?"},
      {"has(claims.cpu.debg)",
       "line 1, column 16: kms.v1.CpuClaims has no field 'debg'; did you "
       "mean 'debug'?"},
      {"reference.imagse == []",
       "line 1, column 1: unknown name 'reference.imagse'; did you mean "
       "'reference.images'?"},
      {"claims.cpu.type == EvidenceType.SEV_SNQ",
       "line 1, column 20: unknown name 'EvidenceType'"},
      {"sizeof('a')",
       "line 1, column 1: unknown function 'sizeof'; did you "
       "mean 'size'?"},
      {"'a'.startWith('a')",
       "line 1, column 5: unknown function 'startWith'; did you mean "
       "'startsWith'?"},
      {"claims.cpu.measurement == '0102'",
       "line 1, column 1: == does not take (bytes, string); write "
       "unhex('...') or b'...' for bytes"},
      {"claims.cpu.snp.vmpl == 0",
       "line 1, column 1: == does not take (uint, int); write 7u for an "
       "unsigned number"},
      {"claims.cpu.measurement in ['a']",
       "line 1, column 1: in does not take (bytes, list(string))"},
      {"1 + 'a'", "line 1, column 1: + does not take (int, string)"},
      {"true && 1", "line 1, column 9: operand of && is int, want bool"},
      {"'a' ? 1 : 2", "line 1, column 1: operand of ?: is string, want bool"},
      {"true ? 1 : 'a'",
       "line 1, column 12: branches of ?: are int and string, want one type"},
      {"(1).all(x, true)",
       "line 1, column 2: macro over int, want a list or a map"},
      {"[1].all(x, x)",
       "line 1, column 12: operand of a macro is int, want bool"},
      {"[1].all(x, true) && x == 1", "line 1, column 21: unknown name 'x'"},
      {"claims.cpu.debug.x", "line 1, column 18: bool has no fields"},
      {"{1: 2}.a", "line 1, column 8: keys of the map are int, want string"},
      {"{b'a': 1}",
       "line 1, column 2: map key is not a bool, int, uint or string"},
      {"now < null",
       "line 1, column 1: < does not take (timestamp, null_type)"},
      {"claims.cpu < claims.cpu",
       "line 1, column 1: < does not take (kms.v1.CpuClaims, "
       "kms.v1.CpuClaims)"},
      {"unhex('abc')",
       "line 1, column 7: text is not an even number of hex digits"},
      {"timestamp('2024-05-01')",
       "line 1, column 11: text is not an RFC 3339 time"},
      {"timestamp('infinite-future')",
       "line 1, column 11: text is not an RFC 3339 time"},
      {"duration('inf')",
       "line 1, column 10: text is not a duration such as 1h30m"},
      {"'a'.matches('(')",
       "line 1, column 13: pattern is not a regular "
       "expression that RE2 accepts"},
      {"'a'.matches('((a{100}){100}){100}')",
       "line 1, column 13: pattern is not a regular expression that RE2 "
       "accepts"},
      {"\xff", "line 1, column 1: expression is not valid UTF-8"},
  };
  for (const Case& c : cases) EXPECT_EQ(Run(c.source), c.want) << c.source;
}

TEST_F(ProgramTest, RefusesTextsOverTheLimits) {
  EXPECT_THAT(Run(std::string(kSourceBytesMax + 1, ' ')),
              HasSubstr("16385 bytes, want at most 16384"));
  const std::string deep(kNestingMax, '(');
  EXPECT_EQ(Run(deep + "1" + std::string(kNestingMax, ')')),
            "line 1, column 65: expression is nested too deeply");
  std::string sum = "1";
  for (int i = 0; i < kHeightMax; ++i) sum += "+1";
  EXPECT_EQ(Run(sum), "line 1, column 1: expression is too deep");
  std::string list = "[1";
  for (size_t i = 0; i < kNodesMax; ++i) list += ",1";
  EXPECT_THAT(Run(list + "]"), HasSubstr("expression is too large"));
  std::string bangs(kHeightMax, '!');
  EXPECT_THAT(Run(bangs + "true"), HasSubstr("expression is too deep"));
  EXPECT_THAT(Run(absl::StrCat("'a'.matches('",
                               std::string(kPatternBytesMax + 1, 'a'), "')")),
              HasSubstr("pattern: 513 bytes, want at most 512"));
}

TEST_F(ProgramTest, LongChainsOfAndAreNotDeep) {
  std::string chain = "true";
  for (int i = 0; i < 1000; ++i) chain += " && true";
  EXPECT_EQ(Run(chain), "true");
}

TEST_F(ProgramTest, StrictModeAbsorbsNoError) {
  const Case cases[] = {
      {"1 / 0 == 1 || true", "error: division by zero"},
      {"1 / 0 == 1 && false", "error: division by zero"},
      {"false || 1 / 0 == 1", "error: division by zero"},
      {"[0, 1].exists(x, 1 / x == 1)", "error: division by zero"},
      {"[0, 2].all(x, 1 / x == 1)", "error: division by zero"},
      {"true || 1 / 0 == 1", "true"},  // The right side is not evaluated.
      {"false && 1 / 0 == 1", "false"},
      {"!(1 / 0 == 1 || true)", "error: division by zero"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(Run(c.source, /*strict=*/true), c.want) << c.source;
  }
}

TEST_F(ProgramTest, StrictModeRefusesWhatEvidenceDidNotSay) {
  EXPECT_EQ(Run("claims.cpu.snp.launch_tcb.snp == 0u", true),
            "error: field is not set");
  EXPECT_EQ(Run("!(claims.cpu.snp.launch_tcb.snp > 0u)", true),
            "error: field is not set");
  EXPECT_EQ(
      Run("claims.cpu.snp.launch_tcb != claims.cpu.snp.reported_tcb", true),
      "error: field is not set");
  EXPECT_EQ(Run("has(claims.cpu.snp.launch_tcb) && "
                "claims.cpu.snp.launch_tcb.snp > 0u",
                true),
            "false");
  claims_.Clear();
  EXPECT_EQ(Run("claims.cpu.debug == false", true), "error: field is not set");
  EXPECT_EQ(Run("has(claims.cpu.snp)", true), "error: field is not set");
}

TEST_F(ProgramTest, ARuleMustBeBoolAndKnownToBe) {
  for (const absl::string_view source :
       {"1", "'true'", "dyn(true)", "[true]"}) {
    Issue issue;
    EXPECT_FALSE(
        Program::Compile(source, environment_, Type::Kind::kBool, issue)
            .has_value());
    EXPECT_THAT(issue.text(), HasSubstr(", want bool")) << source;
  }
}

TEST_F(ProgramTest, HomogeneousLiteralsRefuseMixedTypes) {
  Environment environment = MakeEnvironment();
  environment.set_homogeneous_literals(true);
  Issue issue;
  EXPECT_FALSE(Program::Compile("claims.cpu.measurement in [b'a', 'b']",
                                environment, Type::Kind::kBool, issue)
                   .has_value());
  EXPECT_EQ(issue.text(), "literal mixes bytes and string, want one type");
  EXPECT_EQ(issue.offset(), 33u);
}

TEST_F(ProgramTest, CostLimitIsFinalAndIsNotAbsorbed) {
  const std::string bomb =
      "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, "
      "[1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, "
      "[1,2,3,4,5,6,7,8,9,10].all(e, a + b + c + d + e > 0)))))";
  EXPECT_EQ(Run(bomb), "error: evaluation cost limit exceeded");
  EXPECT_EQ(Run(bomb + " || true"), "error: evaluation cost limit exceeded");
  EXPECT_EQ(Run("true && true", false, 2),
            "error: evaluation cost limit exceeded");
  EXPECT_EQ(Run("true && true", false, 3), "true");
}

TEST_F(ProgramTest, CostGrowsWithTheBytesLookedAt) {
  const auto cost = [&](size_t bytes) {
    claims_.mutable_cpu()->set_product(std::string(bytes, 'a'));
    Issue issue;
    const auto program =
        Program::Compile("claims.cpu.product.matches('a+b')", environment_,
                         Type::Kind::kBool, issue);
    google::protobuf::Arena arena;
    const std::vector<Value> variables = Variables();
    return program->Evaluate(variables, {}, arena).cost;
  };
  EXPECT_EQ(cost(10), cost(10));
  EXPECT_GT(cost(16000), cost(10) + 500);
}

// "a.{300}b" is nine bytes and a program of two thousand instructions, each of
// which RE2 may have to look at for each byte of text.
TEST_F(ProgramTest, AMatchCostsWhatThePatternExpandsTo) {
  for (const absl::string_view source :
       {"claims.cpu.product.matches('a.{300}b')",
        "claims.cpu.product.matches('a.{300}' + 'b')"}) {
    claims_.mutable_cpu()->set_product(std::string(100'000, 'a'));
    EXPECT_EQ(Run(source), "error: evaluation cost limit exceeded");
    claims_.mutable_cpu()->set_product(std::string(1'000, 'a'));
    EXPECT_EQ(Run(source), "false");
  }
}

TEST_F(ProgramTest, ThePatternsOfOneExpressionAreBoundedTogether) {
  const std::string one = "'a'.matches('\\\\pL{10}')";
  EXPECT_EQ(Run(one), "false");
  std::string many = one;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&many, " || ", one);
  EXPECT_THAT(Run(many), HasSubstr("patterns of the expression are too large"));
}

TEST_F(ProgramTest, TracesTheDeepestPartThatWasFalse) {
  const struct {
    absl::string_view source;
    std::vector<std::string> want;
  } cases[] = {
      {"true", {}},
      {"claims.cpu.debug", {"claims.cpu.debug | false | true"}},
      {"claims.cpu.product == 'milan' && claims.cpu.snp.guest_svn >= 8u",
       {"claims.cpu.snp.guest_svn >= 8u | 7 | >= 8"}},
      {"!(claims.cpu.product == 'milan')",
       {"claims.cpu.product == 'milan' | milan | not == milan"}},
      {"!(true && claims.cpu.product.startsWith('mi'))",
       {"true | true | false",
        "claims.cpu.product.startsWith('mi') | milan | not startsWith mi"}},
      {"claims.cpu.product == 'genoa' || claims.cpu.snp.guest_svn > 7u",
       {"claims.cpu.product == 'genoa' | milan | == genoa",
        "claims.cpu.snp.guest_svn > 7u | 7 | > 7"}},
      {"claims.cpu.measurement in [b'\\x05']",
       {"claims.cpu.measurement in [b'\\x05'] | 0102 | in [05]"}},
      {"[3, 1].all(x, x > 2)", {"x > 2 | 1 | > 2"}},
      {"[3, 1].exists(x, x > 5)",
       {"[3, 1].exists(x, x > 5) | false over 2 elements | true"}},
      {"claims.cpu.debug ? true : claims.cpu.product != 'milan'",
       {"claims.cpu.product != 'milan' | milan | != milan"}},
      {"claims.cpu.snp.launch_tcb.snp > 0u || true",
       {"claims.cpu.snp.launch_tcb | field is not set | "}},
      {"[1][now.getHours()] == 1",
       {"[1][now.getHours()] | index is out of range | "}},
  };
  for (const auto& c : cases) EXPECT_EQ(Why(c.source), c.want) << c.source;
}

TEST_F(ProgramTest, TraceBoundsWhatItShows) {
  claims_.mutable_cpu()->set_product(std::string(100'000, 'x'));
  Issue issue;
  const auto program = Program::Compile("claims.cpu.product == ''",
                                        environment_, Type::Kind::kBool, issue);
  const std::vector<Value> variables = Variables();
  const auto failures = program->Explain(variables, {});
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_EQ(failures[0].seen.size(), kRenderedBytesMax);
}

TEST_F(ProgramTest, ErrorsNeverNameValues) {
  claims_.mutable_cpu()->set_product("SECRET");
  for (const absl::string_view source :
       {"int(claims.cpu.product) == 1", "{'a': 1}[claims.cpu.product] == 1",
        "unhex(claims.cpu.product) == b''",
        "'a'.matches('(' + claims.cpu.product)"}) {
    EXPECT_THAT(Run(source), testing::StartsWith("error: ")) << source;
    EXPECT_THAT(Run(source), testing::Not(HasSubstr("SECRET"))) << source;
  }
}

TEST_F(ProgramTest, UnknownsOutweighErrorsInLogicAndYieldToThemInCalls) {
  Environment environment;
  environment.AddVariable("x", Type());
  const auto run = [&](absl::string_view source) -> std::string {
    Issue issue;
    const auto program = Program::Compile(source, environment, Type(), issue);
    if (!program.has_value()) return issue.text();
    google::protobuf::Arena arena;
    const Value variables[] = {Value::OfError(kUnknownValue)};
    const Outcome outcome = program->Evaluate(variables, {}, arena);
    return outcome.error != nullptr ? outcome.error : Render(outcome.value);
  };
  EXPECT_EQ(run("x || true"), "true");
  EXPECT_EQ(run("1 / 0 == 1 || x"), "value is unknown");
  EXPECT_EQ(run("x && 1 / 0 == 1"), "value is unknown");
  EXPECT_EQ(run("x + 1"), "value is unknown");
  EXPECT_EQ(run("x + 1 / 0"), "division by zero");
  EXPECT_EQ(run("x.y"), "value is unknown");
}

TEST_F(ProgramTest, BlocksComputeWhatIsReadWhereItIsFirstRead) {
  Environment environment;
  environment.parse_options().block_macros = true;
  const auto run = [&](absl::string_view source) -> std::string {
    Issue issue;
    const auto program = Program::Compile(source, environment, Type(), issue);
    if (!program.has_value()) return issue.text();
    google::protobuf::Arena arena;
    const Outcome outcome = program->Evaluate({}, {}, arena);
    return outcome.error != nullptr ? outcome.error : Render(outcome.value);
  };
  EXPECT_EQ(run("cel.block([1 / 0], true)"), "true");
  EXPECT_EQ(run("cel.block([1 / 0], cel.index(0))"), "division by zero");
  // The block's own macros do not disturb those that read it.
  EXPECT_EQ(run("cel.block([[1, 2].map(x, x + 1)], "
                "[5, 6].map(y, y + cel.index(0)[0] + y))"),
            "[12, 14]");
}

// Kinds of fields that no message of ours has yet.
class FieldKindsTest : public ::testing::Test {
 protected:
  FieldKindsTest() : pool_(google::protobuf::DescriptorPool::generated_pool()) {
    google::protobuf::Timestamp::descriptor();  // Links it into the pool.
    google::protobuf::FileDescriptorProto file;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
      name: "t.proto" package: "t" syntax: "proto3"
      dependency: "google/protobuf/timestamp.proto"
      dependency: "google/protobuf/wrappers.proto"
      message_type {
        name: "M"
        field { name: "at" number: 1 type: TYPE_MESSAGE
                type_name: ".google.protobuf.Timestamp" }
        field { name: "boxed" number: 2 type: TYPE_MESSAGE
                type_name: ".google.protobuf.BoolValue" }
        field { name: "counts" number: 3 type: TYPE_MESSAGE
                label: LABEL_REPEATED type_name: ".t.M.CountsEntry" }
        nested_type {
          name: "CountsEntry" options { map_entry: true }
          field { name: "key" number: 1 type: TYPE_STRING }
          field { name: "value" number: 2 type: TYPE_INT64 }
        }
      })",
                                                              &file));
    google::protobuf::BoolValue::descriptor();
    const auto* built = pool_.BuildFile(file);
    message_.reset(
        factory_.GetPrototype(built->FindMessageTypeByName("M"))->New());
  }

  void Fill(absl::string_view text) {
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(std::string(text),
                                                              message_.get()));
  }

  std::string Run(absl::string_view source, bool strict = false) {
    Environment environment;
    environment.AddVariable("m", Type::Message(message_->GetDescriptor()));
    Issue issue;
    const auto program = Program::Compile(source, environment, Type(), issue);
    if (!program.has_value()) return issue.text();
    google::protobuf::Arena arena;
    const Value variables[] = {Value::OfMessage(*message_)};
    EvaluateOptions options;
    options.strict = strict;
    const Outcome outcome = program->Evaluate(variables, options, arena);
    return outcome.error != nullptr ? outcome.error : Render(outcome.value);
  }

  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  std::unique_ptr<google::protobuf::Message> message_;
};

TEST_F(FieldKindsTest, TimestampsReadAsTimes) {
  Fill("at { seconds: 5 nanos: 500000000 }");
  EXPECT_EQ(Run("m.at - timestamp(5) == duration('500ms')"), "true");
  Fill("at { seconds: 999999999999999 }");
  EXPECT_EQ(Run("m.at > timestamp(5)"),
            "timestamp or duration is out of range");
  Fill("");
  EXPECT_EQ(Run("m.at == timestamp(0)"), "true");
  EXPECT_EQ(Run("m.at == timestamp(0)", /*strict=*/true), "field is not set");
}

TEST_F(FieldKindsTest, MapsAreReadByKey) {
  Fill("counts { key: 'a' value: 1 } counts { key: 'b' value: 2 }");
  EXPECT_EQ(Run("m.counts.a + m.counts['b']"), "3");
  EXPECT_EQ(Run("size(m.counts) == 2 && 'a' in m.counts && has(m.counts.b)"),
            "true");
  EXPECT_EQ(Run("m.counts.all(k, m.counts[k] > 0)"), "true");
  EXPECT_EQ(Run("m.counts == {'b': 2, 'a': 1}"), "true");
  EXPECT_EQ(Run("m.counts.c"), "no such key in the map");
}

TEST_F(FieldKindsTest, WrappersReadAsScalarsOrNull) {
  Fill("");
  EXPECT_EQ(Run("m.boxed == null"), "true");
  EXPECT_EQ(Run("m.boxed == null", /*strict=*/true), "field is not set");
  EXPECT_EQ(Run("!has(m.boxed) && m.?boxed == optional.none()", true), "true");
  Fill("boxed { value: true }");
  EXPECT_EQ(Run("m.boxed && m.boxed == true && m.boxed != null"), "true");
  EXPECT_EQ(Run("type(m.boxed) == bool"), "true");
}

TEST_F(FieldKindsTest, MapsAreReadInTheOrderOfTheirKeys) {
  Fill(
      "counts { key: 'z' value: 1 } counts { key: 'a' value: 2 }"
      "counts { key: 'm' value: 3 }");
  EXPECT_EQ(Run("m.counts.map(k, k)"), "[a, m, z]");
  EXPECT_EQ(Run("m.counts"), "{a: 2, m: 3, z: 1}");
}

TEST_F(FieldKindsTest, MessagesAreBuiltAndCompared) {
  Fill(
      "at { seconds: 5 } boxed { value: false }"
      "counts { key: 'a' value: 2 } counts { key: 'b' value: 3 }");
  EXPECT_EQ(Run("m == t.M{at: timestamp(5), boxed: false, "
                "counts: {'b': 3, 'a': 2}}"),
            "true");
  EXPECT_EQ(Run("m == t.M{at: timestamp(5), boxed: false, counts: {'a': 2}}"),
            "false");
  EXPECT_EQ(Run("m == t.M{at: timestamp(5), ?boxed: optional.none(), "
                "counts: m.counts}"),
            "false");
  EXPECT_EQ(Run("t.M{at: null} == t.M{}"), "true");
}

TEST_F(ProgramTest, ThreadsShareAProgram) {
  Issue issue;
  const auto program = Program::Compile(
      "claims.cpu.product.matches('^mi') && "
      "claims.cpu.measurement in reference.images && "
      "[1, 2].map(x, string(x)).exists(x, x == '2')",
      environment_, Type::Kind::kBool, issue);
  ASSERT_TRUE(program.has_value());
  const std::vector<Value> variables = Variables();
  int held[4] = {};
  std::vector<std::thread> threads;
  for (int& count : held) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        google::protobuf::Arena arena;
        count += program->Evaluate(variables, {}, arena).IsTrue();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : held) EXPECT_EQ(count, 500);
}

}  // namespace
}  // namespace kms::cel
