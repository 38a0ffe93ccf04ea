// What functions compute, extension by extension, in expressions without
// variables.
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "policy/cel/program.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::cel {
namespace {

struct Case {
  absl::string_view source;
  absl::string_view want;
};

// The rendered value, "error: ..." or "line 1, column ...".
std::string Run(absl::string_view source, Environment& environment) {
  Issue issue;
  const auto program = Program::Compile(source, environment, Type(), issue);
  if (!program.has_value()) {
    return Describe(source, issue.offset(), issue.text());
  }
  google::protobuf::Arena arena;
  const Outcome outcome = program->Evaluate({}, {}, arena);
  if (outcome.error != nullptr) return absl::StrCat("error: ", outcome.error);
  return Render(outcome.value);
}

template <size_t n>
void Expect(const Case (&cases)[n]) {
  Environment environment("kms.v1");
  environment.schema().AddFile(v1::Claims::descriptor()->file());
  for (const Case& c : cases) {
    EXPECT_EQ(Run(c.source, environment), c.want) << c.source;
  }
}

constexpr char kTrue[] = "true";
constexpr char kRange[] = "error: index is out of range";
constexpr char kNoOverloadError[] = "error: no overload for these values";

TEST(LibraryTest, Strings) {
  Expect({
      {"'añb'.charAt(1) + 'añb'.charAt(3)", "\\xc3\\xb1"},
      {"'ab'.charAt(3)", kRange},
      {"'ab'.charAt(-1)", kRange},
      {"'ñaña'.indexOf('ña', 1)", "2"},
      {"'abc'.indexOf('')", "0"},
      {"'abc'.indexOf('c', 4)", kRange},
      {"'ñaña'.lastIndexOf('ña')", "2"},
      {"'aaa'.lastIndexOf('a', 1)", "1"},
      {"'abc'.lastIndexOf('x')", "-1"},
      {"'aXé'.lowerAscii() + 'aXé'.upperAscii() == 'axéAXé'", kTrue},
      {"'a-b-c'.replace('-', '+')", "a+b+c"},
      {"'a-b-c'.replace('-', '+', 1)", "a+b-c"},
      {"'a-b'.replace('-', '+', 0)", "a-b"},
      {"'ab'.replace('', '-')", "-a-b-"},
      {"'a,b,c'.split(',')", "[a, b, c]"},
      {"'a,b,c'.split(',', 2)", "[a, b,c]"},
      {"'a,b'.split(',', 0)", "[]"},
      {"'ab'.split('')", "[a, b]"},
      {"''.split(',') == ['']", kTrue},
      {"['a', 'b'].join('-') + ['a', 'b'].join() + [].join('x')", "a-bab"},
      {"'tañer'.substring(2) + 'tañer'.substring(0, 2) == 'ñerta'", kTrue},
      {"'abc'.substring(2, 1)", "error: substring ends before it begins"},
      {"'abc'.substring(4)", kRange},
      {"'\\u00a0 \\t a b \\u2003'.trim()", "a b"},
      {"'  '.trim() == ''", kTrue},
      {"'añb'.reverse() == 'bña'", kTrue},
      {"strings.quote('a\"\\n\\\\')", "\\\"a\\\\\\\"\\\\n\\\\\\\\\\\""},
      {"dyn(1).trim()", kNoOverloadError},
  });
}

TEST(LibraryTest, Format) {
  Expect({
      {"'%s is %d%%'.format(['x', 5])", "x is 5%"},
      {"'%.2f %.1e %e'.format([1.255, 1250.0, 2])",
       "1.25 1.2e+03 2.000000e+00"},
      {"'%b %o %x %X %b'.format([-5, 8u, -255, 255, true])",
       "-101 10 -ff FF 1"},
      {"'%x'.format(['hi'])", "6869"},
      {"'%s'.format([[1.0, null, b'\\xff\\xfea', {'b': 1, 'a': 2}]]) == "
       "'[1, null, \\ufffda, {a: 2, b: 1}]'",
       kTrue},
      {"'%s %s'.format([timestamp(0), duration('90s')])",
       "1970-01-01T00:00:00Z 90s"},
      {"'%s %d %f'.format([0.0/0.0, 1.0/0.0, -1.0/0.0])",
       "NaN Infinity -Infinity"},
      {"'%s'.format([1e21])", "1000000000000000000000"},
      {"'%s'.format([type(1)])", "int"},
      {"'%d'.format(['a'])",
       "error: formatting clause does not take this value"},
      {"'%q'.format([1])", "error: unrecognized formatting clause"},
      {"'%'.format([1])", "error: unrecognized formatting clause"},
      {"'%.f'.format([1])", "error: unrecognized formatting clause"},
      {"'%.101f'.format([1])", "error: precision is too large"},
      {"'%s%s'.format([1])", "error: more formatting clauses than values"},
      {"'%s'.format([Claims{}])",
       "error: formatting clause does not take this value"},
  });
}

TEST(LibraryTest, Math) {
  Expect({
      {"math.greatest(1, 2u, 2.5)", "2.5"},
      {"math.least([3, 1, 2])", "1"},
      {"math.least(dyn([]))", "error: list of numbers is empty"},
      {"math.greatest(dyn('a'))", kNoOverloadError},
      {"[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.trunc(1.9)]",
       "[2, -2, -2, 1]"},
      {"math.abs(-3) + math.sign(-3)", "2"},
      {"math.abs(-9223372036854775808)", "error: number is out of range"},
      {"math.isNaN(0.0/0.0) && math.isInf(1.0/0.0) && math.isFinite(1.0)",
       kTrue},
      {"math.bitAnd(6, 3) + math.bitOr(6, 3) + math.bitXor(6, 3)", "14"},
      {"math.bitNot(0u)", "18446744073709551615"},
      {"math.bitShiftLeft(1, 63)", "-9223372036854775808"},
      {"math.bitShiftRight(-1, 63)", "1"},
      {"math.bitShiftLeft(1, 64)", "0"},
      {"math.bitShiftRight(1, -1)", "error: shift is negative"},
      {"math.sqrt(81)", "9"},
  });
}

TEST(LibraryTest, Encoders) {
  Expect({
      {"base64.encode(b'hello')", "aGVsbG8="},
      {"base64.decode('aGVsbG8=') == base64.decode('aGVsbG8')", kTrue},
      {"base64.decode('aGVs bG8=')", "error: text is not base64"},
      {"base64.decode('!')", "error: text is not base64"},
  });
}

TEST(LibraryTest, Network) {
  Expect({
      {"string(ip('192.168.0.1')) + string(cidr('10.0.0.0/8'))",
       "192.168.0.110.0.0.0/8"},
      {"ip('2001:DB8::1') == ip('2001:db8:0::1')", kTrue},
      {"ip('::ffff:c0a8:1') == ip('192.168.0.1')", kTrue},
      {"isIP('1.2.3') || isIP('1.2.3.4 ') || isIP('fe80::1%eth0') || "
       "isIP('::ffff:1.2.3.4') || isIP('1.2.3.4\\x00')",
       "false"},
      {"isCIDR('1.2.3.4/33') || isCIDR('1.2.3.4') || isCIDR('::/129') || "
       "isCIDR('1.2.3.4/-1') || isCIDR('1.2.3.4/08')",
       "false"},
      {"isCIDR('::/0') && isCIDR('1.2.3.4/32')", kTrue},
      // ::/8 to who reads IPv6, 10.0.0.0/8 to who reads it as IPv4.
      {"isCIDR('::ffff:a00:0/8')", "false"},
      // Too long for an address, whatever else is in it.
      {"ip('0000:0000:0000:0000:0000:0000:0000:0000%0123456789abcdefghijklmno'"
       ")",
       "line 1, column 4: text is not an IP address"},
      {"ip.isCanonical('::102:304') && string(ip('::0102:0304')) == "
       "'::102:304'",
       kTrue},
      {"ip('1.2.3')", "line 1, column 4: text is not an IP address"},
      {"ip.isCanonical('::1') && !ip.isCanonical('0::1')", kTrue},
      {"ip('1.2.3.4').family() + ip('::1').family()", "10"},
      {"cidr('10.0.0.0/8').containsIP('10.255.0.1') && "
       "!cidr('10.0.0.0/8').containsIP(ip('11.0.0.1')) && "
       "!cidr('::/0').containsIP('10.0.0.1')",
       kTrue},
      {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && "
       "!cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
       kTrue},
      {"cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && "
       "cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && "
       "cidr('10.1.2.3/8').prefixLength() == 8",
       kTrue},
      {"cidr('10.1.2.3/8') == cidr('10.0.0.0/8')", "false"},
      {"ip('127.1.1.1').isLoopback() && ip('::').isUnspecified() && "
       "ip('169.254.1.1').isLinkLocalUnicast() && "
       "ip('ff02::1').isLinkLocalMulticast() && "
       "ip('8.8.8.8').isGlobalUnicast()",
       kTrue},
      {"ip('255.255.255.255').isGlobalUnicast() || "
       "ip('ff00::1').isGlobalUnicast()",
       "false"},
      {"type(ip('::1')) == net.IP && type(cidr('::/0')) == net.CIDR", kTrue},
  });
}

TEST(LibraryTest, Optionals) {
  Expect({
      {"optional.of(1).or(optional.of(2)).value()", "1"},
      {"optional.none().orValue(3)", "3"},
      {"optional.none().value()", "error: optional has no value"},
      {"optional.of(1).orValue(1 / 0)", "1"},
      {"optional.none().orValue(1 / 0)", "error: division by zero"},
      {"optional.ofNonZeroValue(0).hasValue()", "false"},
      {"{'a': {'b': 1}}.?a.b.value() + {'a': 1}[?'a'].value()", "2"},
      {"{'a': 1}.?b.hasValue() || [1][?1].hasValue()", "false"},
      {"[1][?0] == optional.of(1)", kTrue},
      {"[?optional.none(), ?optional.of(1)]", "[1]"},
      {"{?'a': optional.none(), ?'b': optional.of(1)}", "{b: 1}"},
      {"optional.of(2).optMap(x, x * 2)", "optional(4)"},
      {"optional.none().optMap(x, x * 2).hasValue()", "false"},
      {"optional.of(2).optFlatMap(x, optional.of(x + 1))", "optional(3)"},
      {"[1, 2].first().value() + [1, 2].last().value()", "3"},
      {"[].first().hasValue()", "false"},
      {"optional.unwrap([optional.of(1), optional.none()])", "[1]"},
      {"type(optional.none()) == optional_type", kTrue},
      {"[?1]", "line 1, column 3: optional entry is int, want optional_type"},
      {"has(Claims{}.?cpu.type)", "false"},
  });
}

TEST(LibraryTest, MacrosOfTwoVariablesAndBindings) {
  Expect({
      {"[3, 4].all(i, v, v == i + 3)", kTrue},
      {"{'a': 1}.exists(k, v, k == 'a' && v == 1)", kTrue},
      {"[5, 6].existsOne(i, v, i == 1)", kTrue},
      {"[5, 6].transformList(i, v, i * v)", "[0, 6]"},
      {"[5, 6].transformList(i, v, i > 0, v)", "[6]"},
      {"{'a': 1, 'b': 2}.transformMap(k, v, k != 'a', v * 10)", "{b: 20}"},
      {"[5, 6].transformMapEntry(i, v, {v: i})", "{5: 0, 6: 1}"},
      {"[5, 5].transformMapEntry(i, v, {v: i})", "error: map key is repeated"},
      {"[5].transformMapEntry(i, v, {1: i, 2: v})",
       "error: map has more than one entry"},
      {"[1].all(x, x, true)",
       "line 1, column 12: variables of all() have one name"},
      {"cel.bind(x, 2, cel.bind(y, x * 3, x + y))", "8"},
      {"cel.bind(x, [1], x.map(x, x + 1)) + cel.bind(x, [5], x)", "[2, 5]"},
  });
}

TEST(LibraryTest, TypesAreValues) {
  Expect({
      {"type(1) == int && type(1u) == uint && type('') == string", kTrue},
      {"type([]) == list && type({}) == map && type(null) == null_type", kTrue},
      {"type(type(1)) == type && type(int) == type", kTrue},
      {"type(timestamp(0)) == google.protobuf.Timestamp", kTrue},
      {"type(Claims{}) == Claims && type(Claims{}) != CpuClaims", kTrue},
      {"type(1)", "int"},
  });
}

TEST(LibraryTest, TimeZones) {
  Expect({
      {"timestamp('2024-07-01T12:30:00Z').getHours('UTC')", "12"},
      {"timestamp('2024-07-01T12:30:00Z').getHours('+05:30')", "18"},
      {"timestamp('2024-07-01T12:30:00Z').getMinutes('-02:15')", "15"},
      {"timestamp('2024-01-01T00:30:00Z').getFullYear('-01:00')", "2023"},
      {"timestamp('2024-01-01T00:30:00Z').getDayOfYear('-01:00')", "364"},
      {"timestamp(0).getHours('Nowhere/City')", "error: unknown time zone"},
      {"timestamp(0).getHours('localtime')", "error: unknown time zone"},
      {"timestamp(0).getHours('../../etc/localtime')",
       "error: unknown time zone"},
      {"timestamp(0).getHours('/etc/localtime')", "error: unknown time zone"},
      {"timestamp(0).getHours('+24:00')", "error: unknown time zone"},
      {"timestamp(0).getHours('')", "error: unknown time zone"},
      {"timestamp(0).getHours('Europe')", "error: unknown time zone"},
  });
}

TEST(LibraryTest, WellKnownMessagesAreWhatTheyStandFor) {
  Expect({
      {"google.protobuf.Int32Value{value: 5} + 1", "6"},
      {"google.protobuf.Int32Value{value: 5000000000}",
       "error: number is out of the field's range"},
      {"google.protobuf.Struct{fields: {'a': 1.0}}.a", "1"},
      {"google.protobuf.Value{list_value: [1.0, 'x']}", "[1, x]"},
      {"google.protobuf.Value{}", "null"},
      {"google.protobuf.Duration{seconds: 5} == duration('5s')", kTrue},
      {"google.protobuf.Any{type_url: 'x/google.protobuf.StringValue', "
       "value: b'\\x0a\\x01a'}",
       "a"},
      {"google.protobuf.Any{}",
       "error: Any holds a message of an unknown type"},
      {"google.protobuf.Any{type_url: 'x/kms.v1.Nothing'}",
       "error: Any holds a message of an unknown type"},
      {"google.protobuf.Any{type_url: 'x/kms.v1.Nothing', value: b'a'} == "
       "google.protobuf.Any{type_url: 'x/kms.v1.Nothing', value: b'a'}",
       kTrue},
      {"google.protobuf.Any{type_url: 'x/kms.v1.Nothing', value: b'a'} == "
       "google.protobuf.Any{type_url: 'x/kms.v1.Nothing', value: b'b'}",
       "false"},
      {"google.protobuf.Struct{fields: {'a': 1}} == {'a': 1}", kTrue},
      {"google.protobuf.Value{struct_value: dyn({1: 2})}",
       "error: key of a JSON object is not a string"},
  });
}

}  // namespace
}  // namespace kms::cel
