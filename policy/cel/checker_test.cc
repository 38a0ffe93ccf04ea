// The types that the checker gives expressions, and what it refuses.
#include "policy/cel/checker.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "policy/cel/parser.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::cel {
namespace {

struct Case {
  absl::string_view source;
  absl::string_view want;
};

class CheckerTest : public ::testing::Test {
 protected:
  CheckerTest() : environment_("kms.v1") {
    environment_.AddVariable("claims", Type::Message(v1::Claims::descriptor()));
    environment_.AddVariable("any", Type());
    environment_.AddVariable("boxed", Type::Wrapper(Type::Kind::kInt));
    environment_.AddVariable("a.b", Type::Kind::kString);
  }

  // The type's name, or the fault.
  std::string TypeOf(absl::string_view source) {
    Issue issue;
    const auto ast = Parse(source, environment_.parse_options(), issue);
    if (!ast.has_value()) return issue.text();
    const auto tree = Check(*ast, environment_, issue);
    return tree.has_value() ? tree->type.Name() : issue.text();
  }

  Environment environment_;
};

TEST_F(CheckerTest, InfersTypes) {
  const Case cases[] = {
      {"[1, 2]", "list(int)"},
      {"[1, 'a']", "list(dyn)"},
      {"[]", "list(dyn)"},
      {"[[], [1]]", "list(list(int))"},
      {"[] + [1] + []", "list(int)"},
      {"{'a': [1u]}", "map(string, list(uint))"},
      {"{}", "map(dyn, dyn)"},
      {"[null, claims]", "list(kms.v1.Claims)"},
      {"[boxed, 1]", "list(wrapper(int))"},
      {"boxed + 1", "int"},
      {"true ? boxed : null", "wrapper(int)"},
      {"any.x.y[0]", "dyn"},
      {"any + 1", "int"},
      {"any + any", "dyn"},
      {"claims.cpu.measurement", "bytes"},
      {"claims.gpus", "list(kms.v1.GpuClaims)"},
      {"claims.?cpu", "optional_type(kms.v1.CpuClaims)"},
      {"claims.?cpu.measurement", "optional_type(bytes)"},
      {"claims.gpus[?0]", "optional_type(kms.v1.GpuClaims)"},
      {"[1].map(x, string(x))", "list(string)"},
      {"{'a': 1}.transformMap(k, v, [v])", "map(string, list(int))"},
      {"[1].transformMapEntry(i, v, {string(v): i})", "map(string, int)"},
      {"optional.of(1).optMap(x, 'a')", "optional_type(string)"},
      {"optional.none()", "optional_type(dyn)"},
      {"[optional.none(), optional.of(1)]", "list(optional_type(int))"},
      {"type(1)", "type(int)"},
      {"math.greatest(1, 2.0)", "dyn"},
      {"'a,b'.split(',')", "list(string)"},
      {"a.b", "string"},
      {"CpuClaims{debug: true}", "kms.v1.CpuClaims"},
      {"EvidenceType.SEV_SNP", "int"},
      {"google.protobuf.Struct{}", "map(string, dyn)"},
      {"google.protobuf.Int64Value{value: 1}", "wrapper(int)"},
      {"cel.bind(x, [1], x)", "list(int)"},
  };
  for (const Case& c : cases) EXPECT_EQ(TypeOf(c.source), c.want) << c.source;
}

TEST_F(CheckerTest, Refuses) {
  const Case cases[] = {
      {"[1] + ['a']", "+ does not take (list(int), list(string))"},
      {"1 in ['a']", "in does not take (int, list(string))"},
      {"{'a': 1}[1]", "[] does not take (map(string, int), int)"},
      {"a.c", "unknown name 'a.c'; did you mean 'a.b'?"},
      {"optional.of(1).or(optional.of('a'))",
       "or() does not take (optional_type(int), optional_type(string))"},
      {"optional.of(1).optFlatMap(x, x)",
       "result of a macro is int, want optional_type"},
      {"[1].optMap(x, x)", "macro over list(int), want optional_type"},
      {"claims.?cpv", "kms.v1.Claims has no field 'cpv'; did you mean 'cpu'?"},
      {"math.absolute(1)", "unknown name 'math'"},
      {"math.abs('a')", "math.abs() does not take (string)"},
      {"cel.block([1], 2)", "unknown name 'cel'"},
      {"type(1) == 1", "== does not take (type(int), int)"},
  };
  for (const Case& c : cases) EXPECT_EQ(TypeOf(c.source), c.want) << c.source;
}

TEST_F(CheckerTest, DeclaredFunctionsAreChecked) {
  Overload overload;
  overload.name = "pair";
  overload.args = {Type::Param("T"), Type::Param("T")};
  overload.result = Type::Abstract("pair", {Type::Param("T")});
  environment_.AddFunction(overload);
  EXPECT_EQ(TypeOf("pair(1, 2)"), "pair(int)");
  EXPECT_EQ(TypeOf("pair(1, any)"), "pair(dyn)");
  EXPECT_EQ(TypeOf("pair(1, 'a')"), "pair() does not take (int, string)");
}

TEST_F(CheckerTest, UncheckedExpressionsAreDyn) {
  environment_.set_checked(false);
  for (const absl::string_view source :
       {"1 + 'a'", "nothing", "nothing(1)", "Nothing{a: 1}", "1.abs()"}) {
    EXPECT_EQ(TypeOf(source), "dyn") << source;
  }
}

TEST_F(CheckerTest, ManyTypeVariablesStayCheap) {
  std::string source = "[[]";
  for (int i = 0; i < 2000; ++i) source += ",[]";
  EXPECT_EQ(TypeOf(source + "]"), "list(list(dyn))");
}

// A type is a tree, and a map has two: each level may double it.
TEST_F(CheckerTest, TypesThatDoubleAtEachLevelAreRefused) {
  const auto nested = [](int levels) {
    std::string source = "cel.bind(a0, {1: 1}, ";
    for (int i = 1; i <= levels; ++i) {
      absl::StrAppend(&source, "cel.bind(a", i, ", {a", i - 1, ": a", i - 1,
                      "}, ");
    }
    return absl::StrCat(source, "true", std::string(levels + 1, ')'));
  };
  EXPECT_EQ(TypeOf(nested(4)), "bool");
  EXPECT_EQ(TypeOf(nested(12)), "types of the expression are too large");
  EXPECT_EQ(TypeOf(nested(50)), "types of the expression are too large");
}

TEST_F(CheckerTest, TypeVariablesThatDoubleAreRefused) {
  // The variables of each map stand for the map before it, twice.
  const auto nested = [](int levels) {
    std::string source = "cel.bind(a0, {}, ";
    std::string uses = "true";
    for (int i = 1; i <= levels; ++i) {
      absl::StrAppend(&source, "cel.bind(a", i, ", {}, ");
      absl::StrAppend(&uses, " && a", i, "[a", i - 1, "] == a", i - 1);
    }
    return absl::StrCat(source, uses, std::string(levels + 1, ')'));
  };
  EXPECT_EQ(TypeOf(nested(4)), "bool");
  EXPECT_EQ(TypeOf(nested(18)), "types of the expression are too large");
  EXPECT_EQ(TypeOf(nested(50)), "types of the expression are too large");
}

}  // namespace
}  // namespace kms::cel
