#include "policy/cel/functions.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kms::cel {
namespace {

Type TypeOf(char letter) {
  using Kind = Type::Kind;
  const Type a = Type::Param("A");
  const Type b = Type::Param("B");
  switch (letter) {
    case 'b':
      return Kind::kBool;
    case 'i':
      return Kind::kInt;
    case 'u':
      return Kind::kUint;
    case 'd':
      return Kind::kDouble;
    case 's':
      return Kind::kString;
    case 'y':
      return Kind::kBytes;
    case 't':
      return Kind::kTimestamp;
    case 'n':
      return Kind::kDuration;
    case '0':
      return Kind::kNull;
    case 'A':
      return a;
    case 'B':
      return b;
    case 'L':
      return Type::List(a);
    case 'M':
      return Type::Map(a, b);
    case 'T':
      return Type::OfType(a);
    case 'l':
      return Type::List(Kind::kString);
    case 'O':
      return Type::Optional(a);
    case 'P':
      return Type::Optional(b);
    case 'X':
      return Type::Optional(Type::List(a));
    case 'Y':
      return Type::Optional(Type::Map(a, b));
    case 'Q':
      return Type::List(Type::Optional(a));
    case 'I':
      return Type::Abstract("net.IP", {});
    case 'C':
      return Type::Abstract("net.CIDR", {});
    default:
      return Type();
  }
}

using Key = std::pair<std::string, bool>;  // Name; called as a member.
using Table = std::map<Key, std::vector<Overload>>;

void Add(const Declaration& row, bool member, Table& table) {
  Overload overload;
  overload.name = std::string(row.name);
  overload.member = member;
  for (const char letter : row.args) overload.args.push_back(TypeOf(letter));
  overload.result = TypeOf(row.result);
  overload.run = row.run;
  table[{overload.name, member}].push_back(std::move(overload));
}

const Table& AllOverloads() {
  static const Table& table = *[] {
    auto* all = new Table();
    for (const auto& rows :
         {OperatorDeclarations(), ConversionDeclarations(), TimeDeclarations(),
          StringDeclarations(), MathDeclarations(), OptionalDeclarations(),
          NetworkDeclarations()}) {
      for (const Declaration& row : rows) {
        if (row.style != Style::kMember) Add(row, false, *all);
        if (row.style != Style::kGlobal) Add(row, true, *all);
      }
    }
    return all;
  }();
  return table;
}

}  // namespace

absl::Span<const Overload> FindOverloads(absl::string_view name, bool member) {
  const auto found = AllOverloads().find({std::string(name), member});
  if (found == AllOverloads().end()) return {};
  return found->second;
}

std::vector<std::string> FunctionNames() {
  std::vector<std::string> names;
  for (const auto& [key, overloads] : AllOverloads()) {
    if (DisplayName(key.first) == absl::StrCat(key.first, "()")) {
      names.push_back(key.first);
    }
  }
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string DisplayName(absl::string_view function) {
  if (function == "_[_]") return "[]";
  if (function == "_[?_]") return "[?]";
  if (absl::ConsumePrefix(&function, "@")) return std::string(function);
  if (function.find('_') == absl::string_view::npos) {
    return absl::StrCat(function, "()");
  }
  absl::ConsumePrefix(&function, "_");
  absl::ConsumeSuffix(&function, "_");
  return std::string(function);
}

}  // namespace kms::cel
