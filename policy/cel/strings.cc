// The strings extension. Positions count code points, from 0.
// Source: cel-go, ext, "Strings"; cel-spec, doc/extensions/strings.md.
#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "policy/cel/format.h"
#include "policy/cel/functions.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/relations.h"
#include "policy/cel/utf8.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;
constexpr size_t kNpos = absl::string_view::npos;

bool AllStrings(Args args, size_t count) {
  return std::all_of(args.begin(), args.begin() + static_cast<int>(count),
                     [](const Value& arg) { return arg.Is(Kind::kString); });
}

// A search may look at every pair of bytes.
bool ChargeSearch(Context& context, absl::string_view text,
                  absl::string_view part) {
  return context.Charge((1 + text.size() / 16) * (1 + part.size() / 16));
}

// The byte at code point `index` of `text`; false if it is beyond the end.
bool Offset(absl::string_view text, const Value& index, size_t* out) {
  const int64_t rune = index.int_value();
  if (rune < 0 || static_cast<uint64_t>(rune) > CountRunes(text)) return false;
  *out = RuneOffset(text, static_cast<size_t>(rune));
  return true;
}

Value RuneIndex(absl::string_view text, size_t offset) {
  return Value::Int(offset == kNpos ? -1
                                    : static_cast<int64_t>(
                                          CountRunes(text.substr(0, offset))));
}

Error CharAt(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kInt)) return kNoOverload;
  const absl::string_view text = args[0].text();
  if (!context.ChargeBytes(text.size())) return kCostExceeded;
  size_t at = 0;
  if (!Offset(text, args[1], &at)) return kIndexRange;
  *out = Value::String(
      at == text.size() ? "" : text.substr(at, RuneBytes(text, at)));
  return nullptr;
}

template <bool last>
Error Find(Context& context, Args args, Value* out) {
  if (!AllStrings(args, 2)) return kNoOverload;
  const absl::string_view text = args[0].text();
  const absl::string_view part = args[1].text();
  if (!ChargeSearch(context, text, part)) return kCostExceeded;
  size_t from = last ? text.size() : 0;
  if (args.size() == 3) {
    if (!args[2].Is(Kind::kInt)) return kNoOverload;
    if (!Offset(text, args[2], &from)) return kIndexRange;
  }
  *out = RuneIndex(text, last ? text.rfind(part, from) : text.find(part, from));
  return nullptr;
}

template <char (*convert)(unsigned char)>
Error Case(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  if (!context.ChargeBytes(args[0].text().size())) return kCostExceeded;
  std::string text(args[0].text());
  for (char& c : text) c = convert(static_cast<unsigned char>(c));
  *out = context.MakeText(Kind::kString, std::move(text));
  return nullptr;
}

// Where `part` next is at or after `from`; an empty one is before each code
// point and at the end.
size_t NextMatch(absl::string_view text, absl::string_view part, size_t from,
                 bool first) {
  if (!part.empty()) return text.find(part, from);
  if (first) return 0;
  return from < text.size() ? from + RuneBytes(text, from) : kNpos;
}

Error Replace(Context& context, Args args, Value* out) {
  if (!AllStrings(args, 3)) return kNoOverload;
  int64_t limit = -1;
  if (args.size() == 4) {
    if (!args[3].Is(Kind::kInt)) return kNoOverload;
    limit = args[3].int_value();
  }
  const absl::string_view text = args[0].text();
  const absl::string_view part = args[1].text();
  const absl::string_view with = args[2].text();
  if (!ChargeSearch(context, text, part)) return kCostExceeded;
  std::string result;
  size_t copied = 0;
  size_t from = 0;
  for (int64_t count = 0; limit < 0 || count < limit; ++count) {
    const size_t match = NextMatch(text, part, from, count == 0);
    if (match == kNpos) break;
    if (!context.ChargeBytes(match - copied + with.size())) {
      return kCostExceeded;
    }
    result.append(text.data() + copied, match - copied);
    result.append(with.data(), with.size());
    copied = match + part.size();
    from = copied;
  }
  result.append(text.data() + copied, text.size() - copied);
  *out = context.MakeText(Kind::kString, std::move(result));
  return nullptr;
}

Error Split(Context& context, Args args, Value* out) {
  if (!AllStrings(args, 2)) return kNoOverload;
  int64_t limit = -1;
  if (args.size() == 3) {
    if (!args[2].Is(Kind::kInt)) return kNoOverload;
    limit = args[2].int_value();
  }
  const absl::string_view text = args[0].text();
  const absl::string_view by = args[1].text();
  if (!ChargeSearch(context, text, by)) return kCostExceeded;
  std::vector<Value> parts;
  size_t begin = 0;
  while (limit != 0) {
    if (!context.Charge(1)) return kCostExceeded;
    const bool room =
        limit < 0 || static_cast<int64_t>(parts.size()) + 1 < limit;
    size_t end = kNpos;
    if (room && !by.empty()) end = text.find(by, begin);
    if (room && by.empty() && begin < text.size()) {
      end = begin + RuneBytes(text, begin);
      if (end == text.size()) end = kNpos;
    }
    if (end == kNpos) {
      // No part is left of a text that was cut between its code points.
      if (!by.empty() || begin < text.size()) {
        parts.push_back(Value::String(text.substr(begin)));
      }
      break;
    }
    parts.push_back(Value::String(text.substr(begin, end - begin)));
    begin = end + by.size();
  }
  absl::Span<Value> items = context.MakeItems(parts.size());
  std::copy(parts.begin(), parts.end(), items.begin());
  *out = Value::List(items);
  return nullptr;
}

Error Join(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kList)) return kNoOverload;
  absl::string_view between;
  if (args.size() == 2) {
    if (!args[1].Is(Kind::kString)) return kNoOverload;
    between = args[1].text();
  }
  std::string result;
  const size_t size = args[0].size();
  for (size_t i = 0; i < size; ++i) {
    Value part;
    if (const Error error = ReadElement(context, args[0], i, &part)) {
      return error;
    }
    if (!part.Is(Kind::kString)) return kNoOverload;
    if (!context.ChargeBytes(part.text().size() + between.size())) {
      return kCostExceeded;
    }
    if (i > 0) result.append(between.data(), between.size());
    result.append(part.text().data(), part.text().size());
  }
  *out = context.MakeText(Kind::kString, std::move(result));
  return nullptr;
}

Error Substring(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString) || !args[1].Is(Kind::kInt)) return kNoOverload;
  const absl::string_view text = args[0].text();
  if (!context.ChargeBytes(text.size())) return kCostExceeded;
  size_t begin = 0;
  size_t end = text.size();
  if (!Offset(text, args[1], &begin)) return kIndexRange;
  if (args.size() == 3) {
    if (!args[2].Is(Kind::kInt)) return kNoOverload;
    if (!Offset(text, args[2], &end)) return kIndexRange;
    if (begin > end) return "substring ends before it begins";
  }
  *out = Value::String(text.substr(begin, end - begin));
  return nullptr;
}

// Unicode's White_Space property.
bool IsSpace(uint32_t rune) {
  return (rune >= 0x9 && rune <= 0xd) || rune == 0x20 || rune == 0x85 ||
         rune == 0xa0 || rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200a) ||
         rune == 0x2028 || rune == 0x2029 || rune == 0x202f || rune == 0x205f ||
         rune == 0x3000;
}

Error Trim(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  const absl::string_view text = args[0].text();
  if (!context.ChargeBytes(text.size())) return kCostExceeded;
  size_t begin = text.size();
  size_t end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = RuneBytes(text, at);
    if (!IsSpace(DecodeRune(text.substr(at, bytes)))) {
      begin = std::min(begin, at);
      end = at + bytes;
    }
    at += bytes;
  }
  *out = Value::String(begin < end ? text.substr(begin, end - begin) : "");
  return nullptr;
}

Error Reverse(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  const absl::string_view text = args[0].text();
  if (!context.ChargeBytes(text.size())) return kCostExceeded;
  std::string result(text.size(), '\0');
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = RuneBytes(text, at);
    std::copy_n(text.data() + at, bytes, &result[text.size() - at - bytes]);
    at += bytes;
  }
  *out = context.MakeText(Kind::kString, std::move(result));
  return nullptr;
}

// As a string literal of the language, in double quotes.
Error Quote(Context& context, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  if (!context.ChargeBytes(2 * args[0].text().size())) return kCostExceeded;
  constexpr absl::string_view kPlain = "\a\b\f\n\r\t\v\\\"";
  constexpr absl::string_view kLetters = "abfnrtv\\\"";
  std::string result = "\"";
  for (const char c : args[0].text()) {
    const size_t escape = kPlain.find(c);
    if (escape != kNpos) {
      result.push_back('\\');
      result.push_back(kLetters[escape]);
    } else {
      result.push_back(c);
    }
  }
  result.push_back('"');
  *out = context.MakeText(Kind::kString, std::move(result));
  return nullptr;
}

char Lower(unsigned char c) { return absl::ascii_tolower(c); }
char Upper(unsigned char c) { return absl::ascii_toupper(c); }

constexpr Style kGlobal = Style::kGlobal;
constexpr Style kMember = Style::kMember;

constexpr Declaration kDeclarations[] = {
    {"charAt", kMember, "si", 's', CharAt},
    {"indexOf", kMember, "ss", 'i', Find<false>},
    {"indexOf", kMember, "ssi", 'i', Find<false>},
    {"lastIndexOf", kMember, "ss", 'i', Find<true>},
    {"lastIndexOf", kMember, "ssi", 'i', Find<true>},
    {"lowerAscii", kMember, "s", 's', Case<Lower>},
    {"upperAscii", kMember, "s", 's', Case<Upper>},
    {"replace", kMember, "sss", 's', Replace},
    {"replace", kMember, "sssi", 's', Replace},
    {"split", kMember, "ss", 'l', Split},
    {"split", kMember, "ssi", 'l', Split},
    {"join", kMember, "l", 's', Join},
    {"join", kMember, "ls", 's', Join},
    {"substring", kMember, "si", 's', Substring},
    {"substring", kMember, "sii", 's', Substring},
    {"trim", kMember, "s", 's', Trim},
    {"reverse", kMember, "s", 's', Reverse},
    {"strings.quote", kGlobal, "s", 's', Quote},
    {"format", kMember, "sL", 's', Format},
};

}  // namespace

absl::Span<const Declaration> StringDeclarations() { return kDeclarations; }

}  // namespace kms::cel
