#include "policy/cel/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "policy/cel/functions.h"

namespace kms::cel {
namespace {

using Kind = Value::Kind;
using Args = absl::Span<const Value>;

constexpr char kBadIp[] = "text is not an IP address";
constexpr char kBadCidr[] = "text is not an address range such as 10.0.0.0/8";
constexpr char kZone[] = "address has a zone, which is not allowed";
constexpr char kMapped[] = "IPv4 address is written inside an IPv6 address";

// The longest text: eight groups of four, seven colons; then "%" and the name
// of a Linux interface, which is refused, or "/128".
constexpr size_t kAddressBytesMax = 39;
constexpr size_t kTextBytesMax = kAddressBytesMax + 1 + 15;

int Bits(const Value& value) { return value.ip_family() == 4 ? 32 : 128; }

Error ParseIp(absl::string_view text, Value* out) {
  // Before anything is searched for: a search would have to be paid for.
  if (text.size() > kTextBytesMax) return kBadIp;
  if (text.find('%') != absl::string_view::npos) return kZone;
  // The parser stops at the first zero byte.
  if (text.size() > kAddressBytesMax ||
      text.find('\0') != absl::string_view::npos) {
    return kBadIp;
  }
  const std::string terminated(text);
  IpAddress address;
  if (text.find(':') == absl::string_view::npos) {
    if (inet_pton(AF_INET, terminated.c_str(), address.bytes) != 1) {
      return kBadIp;
    }
    *out = Value::Ip(address, 4);
    return nullptr;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes) != 1) {
    return kBadIp;
  }
  if (text.find('.') != absl::string_view::npos) return kMapped;
  constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0,   0,
                                         0, 0, 0, 0, 255, 255};
  if (std::memcmp(address.bytes, kMappedPrefix, sizeof(kMappedPrefix)) == 0) {
    IpAddress v4;
    std::copy(address.bytes + 12, address.bytes + 16, v4.bytes);
    *out = Value::Ip(v4, 4);
    return nullptr;
  }
  *out = Value::Ip(address, 6);
  return nullptr;
}

// The first `prefix` bits; the others 0.
IpAddress Masked(const IpAddress& address, int prefix) {
  IpAddress masked;
  for (int bit = 0; bit < prefix; ++bit) {
    masked.bytes[bit / 8] = static_cast<uint8_t>(
        masked.bytes[bit / 8] | (address.bytes[bit / 8] & (0x80 >> (bit % 8))));
  }
  return masked;
}

Error ParseCidr(absl::string_view text, Value* out) {
  if (text.size() > kTextBytesMax) return kBadCidr;
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return kBadCidr;
  Value ip;
  if (const Error error = ParseIp(text.substr(0, slash), &ip)) {
    return error == kBadIp ? kBadCidr : error;
  }
  // ::ffff:a00:0/104 is 10.0.0.0/8; which of the two a prefix of 8 would mean
  // is not guessed.
  if (ip.ip_family() == 4 && text.find(':') != absl::string_view::npos) {
    return kMapped;
  }
  const absl::string_view digits = text.substr(slash + 1);
  int prefix = 0;
  if (digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      (digits.size() > 1 && digits[0] == '0') ||
      !absl::SimpleAtoi(digits, &prefix) || prefix > Bits(ip)) {
    return kBadCidr;
  }
  *out = Value::Cidr(ip.ip(), ip.ip_family(), static_cast<uint8_t>(prefix));
  return nullptr;
}

bool Contains(const Value& range, const Value& ip, int bits) {
  return range.ip_family() == ip.ip_family() && range.ip_prefix() <= bits &&
         std::memcmp(Masked(range.ip(), range.ip_prefix()).bytes,
                     Masked(ip.ip(), range.ip_prefix()).bytes,
                     sizeof(IpAddress::bytes)) == 0;
}

Error IsIp(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  Value ignored;
  *out = Value::Bool(ParseIp(args[0].text(), &ignored) == nullptr);
  return nullptr;
}

Error IsCidr(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  Value ignored;
  *out = Value::Bool(ParseCidr(args[0].text(), &ignored) == nullptr);
  return nullptr;
}

Error IsCanonical(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kString)) return kNoOverload;
  Value ip;
  if (const Error error = ParseIp(args[0].text(), &ip)) return error;
  *out = Value::Bool(NetworkText(ip) == args[0].text());
  return nullptr;
}

Error Family(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kIp)) return kNoOverload;
  *out = Value::Int(args[0].ip_family());
  return nullptr;
}

bool AllZero(const uint8_t* begin, const uint8_t* end) {
  return std::all_of(begin, end, [](uint8_t byte) { return byte == 0; });
}

bool IsUnspecified(const Value& ip) {
  return AllZero(ip.ip().bytes, ip.ip().bytes + 16);
}
bool IsLoopback(const Value& ip) {  // 127.0.0.0/8, ::1
  const uint8_t* b = ip.ip().bytes;
  return ip.ip_family() == 4 ? b[0] == 127 : AllZero(b, b + 15) && b[15] == 1;
}
bool IsMulticast(const Value& ip) {  // 224.0.0.0/4, ff00::/8
  const uint8_t first = ip.ip().bytes[0];
  return ip.ip_family() == 4 ? (first & 0xf0) == 0xe0 : first == 0xff;
}
bool IsLinkLocalMulticast(const Value& ip) {  // 224.0.0.0/24, ff02::/16
  const uint8_t* b = ip.ip().bytes;
  return ip.ip_family() == 4 ? b[0] == 224 && b[1] == 0 && b[2] == 0
                             : b[0] == 0xff && (b[1] & 0x0f) == 2;
}
bool IsLinkLocalUnicast(const Value& ip) {  // 169.254.0.0/16, fe80::/10
  const uint8_t* b = ip.ip().bytes;
  return ip.ip_family() == 4 ? b[0] == 169 && b[1] == 254
                             : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
}
bool IsGlobalUnicast(const Value& ip) {  // Also private addresses.
  const uint8_t* b = ip.ip().bytes;
  const bool broadcast =
      ip.ip_family() == 4 &&
      std::all_of(b, b + 4, [](uint8_t byte) { return byte == 255; });
  return !broadcast && !IsUnspecified(ip) && !IsLoopback(ip) &&
         !IsMulticast(ip) && !IsLinkLocalUnicast(ip);
}

template <bool (*test)(const Value&)>
Error Test(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kIp)) return kNoOverload;
  *out = Value::Bool(test(args[0]));
  return nullptr;
}

Error ContainsIp(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kCidr)) return kNoOverload;
  Value ip = args[1];
  if (ip.Is(Kind::kString)) {
    if (const Error error = ParseIp(args[1].text(), &ip)) return error;
  }
  if (!ip.Is(Kind::kIp)) return kNoOverload;
  *out = Value::Bool(Contains(args[0], ip, Bits(ip)));
  return nullptr;
}

Error ContainsCidr(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kCidr)) return kNoOverload;
  Value range = args[1];
  if (range.Is(Kind::kString)) {
    if (const Error error = ParseCidr(args[1].text(), &range)) return error;
  }
  if (!range.Is(Kind::kCidr)) return kNoOverload;
  *out = Value::Bool(Contains(args[0], range, range.ip_prefix()));
  return nullptr;
}

Error AddressOf(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kCidr)) return kNoOverload;
  *out = Value::Ip(args[0].ip(), args[0].ip_family());
  return nullptr;
}

Error MaskedOf(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kCidr)) return kNoOverload;
  *out = Value::Cidr(Masked(args[0].ip(), args[0].ip_prefix()),
                     args[0].ip_family(), args[0].ip_prefix());
  return nullptr;
}

Error PrefixLength(Context&, Args args, Value* out) {
  if (!args[0].Is(Kind::kCidr)) return kNoOverload;
  *out = Value::Int(args[0].ip_prefix());
  return nullptr;
}

constexpr Style kGlobal = Style::kGlobal;
constexpr Style kMember = Style::kMember;

constexpr Declaration kDeclarations[] = {
    {"ip", kGlobal, "s", 'I', ToIp},
    {"cidr", kGlobal, "s", 'C', ToCidr},
    {"isIP", kGlobal, "s", 'b', IsIp},
    {"isCIDR", kGlobal, "s", 'b', IsCidr},
    {"ip.isCanonical", kGlobal, "s", 'b', IsCanonical},
    {"family", kMember, "I", 'i', Family},
    {"isUnspecified", kMember, "I", 'b', Test<IsUnspecified>},
    {"isLoopback", kMember, "I", 'b', Test<IsLoopback>},
    {"isGlobalUnicast", kMember, "I", 'b', Test<IsGlobalUnicast>},
    {"isLinkLocalMulticast", kMember, "I", 'b', Test<IsLinkLocalMulticast>},
    {"isLinkLocalUnicast", kMember, "I", 'b', Test<IsLinkLocalUnicast>},
    {"containsIP", kMember, "CI", 'b', ContainsIp},
    {"containsIP", kMember, "Cs", 'b', ContainsIp},
    {"containsCIDR", kMember, "CC", 'b', ContainsCidr},
    {"containsCIDR", kMember, "Cs", 'b', ContainsCidr},
    {"ip", kMember, "C", 'I', AddressOf},
    {"masked", kMember, "C", 'C', MaskedOf},
    {"prefixLength", kMember, "C", 'i', PrefixLength},
};

}  // namespace

absl::Span<const Declaration> NetworkDeclarations() { return kDeclarations; }

Error ToIp(Context&, Args args, Value* out) {
  return args[0].Is(Kind::kString) ? ParseIp(args[0].text(), out) : kNoOverload;
}

Error ToCidr(Context&, Args args, Value* out) {
  return args[0].Is(Kind::kString) ? ParseCidr(args[0].text(), out)
                                   : kNoOverload;
}

std::string NetworkText(const Value& value) {
  char text[INET6_ADDRSTRLEN] = {};
  const uint8_t* bytes = value.ip().bytes;
  inet_ntop(value.ip_family() == 4 ? AF_INET : AF_INET6, bytes, text,
            sizeof(text));
  // The C library writes ::102:304 as ::1.2.3.4.
  if (value.ip_family() == 6 && std::strchr(text, '.') != nullptr) {
    std::snprintf(text, sizeof(text), "::%x:%x", bytes[12] << 8 | bytes[13],
                  bytes[14] << 8 | bytes[15]);
  }
  return value.Is(Kind::kCidr)
             ? absl::StrCat(text, "/", static_cast<int>(value.ip_prefix()))
             : text;
}

}  // namespace kms::cel
