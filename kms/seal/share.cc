#include "kms/seal/share.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

constexpr absl::string_view kPrefix = "kms1";
constexpr size_t kChecksumBytes = 5;
constexpr size_t kBodyBytes =
    kShareClusterBytes + kCeremonyIdBytes + 2 + kRootKeyBytes;
constexpr size_t kPayloadBytes = kBodyBytes + kChecksumBytes;
constexpr size_t kSymbols = kPayloadBytes * 8 / 5;
constexpr size_t kGroup = 4;
constexpr size_t kTextBytes = kPrefix.size() + kSymbols + kSymbols / kGroup;
static_assert(kPayloadBytes * 8 % 5 == 0, "padding would be a second encoding");
static_assert(kSymbols % kGroup == 0, "the last group would be short");

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::SHARE_REJECTED,
                absl::StrCat("unseal share: malformed, ", fault));
}

// All ones if a < b, else zero; both below 2^31. Symbols of a share are key
// bits: no branch and no table index may depend on them.
uint32_t Below(uint32_t a, uint32_t b) { return 0u - ((a - b) >> 31); }

uint8_t SymbolOf(uint32_t value) {
  const uint32_t letter = Below(value, 26);
  return static_cast<uint8_t>((letter & ('a' + value)) |
                              (~letter & ('2' + value - 26)));
}

// 0 to 31, or 32 for a character that is no symbol.
uint32_t ValueOf(uint8_t symbol) {
  const uint32_t c = symbol;
  const uint32_t lower = Below('a' - 1, c) & Below(c, 'z' + 1);
  const uint32_t upper = Below('A' - 1, c) & Below(c, 'Z' + 1);
  const uint32_t digit = Below('2' - 1, c) & Below(c, '7' + 1);
  return (lower & (c - 'a')) | (upper & (c - 'A')) | (digit & (c - '2' + 26)) |
         (~(lower | upper | digit) & 32);
}

bool IsSeparator(char c) {
  return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string Checksum(BytesView body) {
  return crypto::Sha256Hasher()
      .Update(absl::string_view("kms.v1 unseal share\0", 20))
      .Update(body)
      .Finish()
      .substr(0, kChecksumBytes);
}

// The kSymbols symbols of `text`, without prefix and separators.
absl::StatusOr<Secret> SymbolsOf(absl::string_view text) {
  if (text.size() > kShareTextBytesMax) {
    return Malformed(
        absl::StrCat(text.size(), " bytes, want at most ", kShareTextBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(Secret symbols, Secret::Allocate(kSymbols));
  const absl::Span<uint8_t> out = symbols.ExposeMutable(GrantSecretAccess());
  size_t prefix = 0;
  size_t count = 0;
  for (const char c : text) {
    if (IsSeparator(c)) continue;
    if (prefix < kPrefix.size()) {
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      if (lower != kPrefix[prefix++]) {
        return Malformed("it does not begin with kms1");
      }
      continue;
    }
    if (count < kSymbols) out[count] = static_cast<uint8_t>(c);
    ++count;
  }
  if (count != kSymbols) {
    return Malformed(
        absl::StrCat(count, " characters after kms1, want ", kSymbols));
  }
  return symbols;
}

absl::StatusOr<Secret> Decode(const Secret& symbols) {
  KMS_ASSIGN_OR_RETURN(Secret payload, Secret::Allocate(kPayloadBytes));
  const BytesView in = symbols.Expose(GrantSecretAccess());
  const absl::Span<uint8_t> out = payload.ExposeMutable(GrantSecretAccess());
  uint32_t bad = 0;
  for (size_t group = 0; group < kSymbols / 8; ++group) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; ++i) {
      const uint32_t value = ValueOf(in[8 * group + i]);
      bad |= value & 32;
      bits = bits << 5 | (value & 31);
    }
    for (size_t i = 0; i < 5; ++i) {
      out[5 * group + i] = static_cast<uint8_t>(bits >> (32 - 8 * i));
    }
  }
  if (bad != 0) return Malformed("a character is not a-z or 2-7");
  return payload;
}

}  // namespace

absl::StatusOr<Secret> PrintShare(const Share& share) {
  KMS_ASSIGN_OR_RETURN(Secret payload, Secret::Allocate(kPayloadBytes));
  const absl::Span<uint8_t> bytes = payload.ExposeMutable(GrantSecretAccess());
  uint8_t* at = bytes.data();
  const auto append = [&at](BytesView field) {
    at = std::copy(field.begin(), field.end(), at);
  };
  append(AsBytes(share.cluster_prefix));
  append(AsBytes(share.ceremony_id));
  *at++ = share.index;
  *at++ = share.threshold;
  append(share.data.Expose(GrantSecretAccess()));
  append(AsBytes(Checksum(bytes.subspan(0, kBodyBytes))));

  KMS_ASSIGN_OR_RETURN(Secret text, Secret::Allocate(kTextBytes));
  uint8_t* out = text.ExposeMutable(GrantSecretAccess()).data();
  out = std::copy(kPrefix.begin(), kPrefix.end(), out);
  for (size_t group = 0; group < kSymbols / 8; ++group) {
    uint64_t bits = 0;
    for (size_t i = 0; i < 5; ++i) bits = bits << 8 | bytes[5 * group + i];
    for (size_t i = 0; i < 8; ++i) {
      if (i % kGroup == 0) *out++ = '-';
      *out++ = SymbolOf(static_cast<uint32_t>(bits >> (35 - 5 * i) & 31));
    }
  }
  return text;
}

absl::StatusOr<Share> ParseShare(absl::string_view text) {
  KMS_ASSIGN_OR_RETURN(const Secret symbols, SymbolsOf(text));
  KMS_ASSIGN_OR_RETURN(const Secret payload, Decode(symbols));
  const BytesView bytes = payload.Expose(GrantSecretAccess());
  const BytesView body = bytes.subspan(0, kBodyBytes);
  if (!ConstantTimeEqual(AsBytes(Checksum(body)), bytes.subspan(kBodyBytes))) {
    return Malformed("its checksum does not match; a character is mistyped");
  }
  ByteReader reader(body);
  Share share;
  share.cluster_prefix = ToString(reader.Bytes(kShareClusterBytes));
  share.ceremony_id = ToString(reader.Bytes(kCeremonyIdBytes));
  share.index = reader.U8();
  share.threshold = reader.U8();
  KMS_ASSIGN_OR_RETURN(share.data, Secret::CopyOf(reader.Bytes(kRootKeyBytes),
                                                  GrantSecretAccess()));
  // x = 0 would be the root key itself.
  if (share.index == 0 || share.index > kSharesMax) {
    return Malformed(
        absl::StrCat("index ", share.index, ", want 1 to ", kSharesMax));
  }
  if (share.threshold == 0 || share.threshold > kSharesMax) {
    return Malformed(absl::StrCat("threshold ", share.threshold, ", want 1 to ",
                                  kSharesMax));
  }
  return share;
}

}  // namespace kms::seal
