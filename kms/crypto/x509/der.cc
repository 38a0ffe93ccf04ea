#include "kms/crypto/x509/der.h"

#include "absl/strings/str_cat.h"
#include "kms/crypto/x509/limits.h"

namespace kms::x509 {
namespace {

constexpr uint8_t kConstructed = 0x20;
constexpr uint8_t kTagNumberMask = 0x1f;

// X.690 8.3.2: the first nine bits are not all equal.
bool MinimalInteger(BytesView content) {
  if (content.empty()) return false;
  if (content.size() == 1) return true;
  if (content[0] == 0x00) return (content[1] & 0x80) != 0;
  if (content[0] == 0xff) return (content[1] & 0x80) == 0;
  return true;
}

// The universal types that have rules of their own on contents and form.
bool ValidPrimitive(const DerValue& value) {
  switch (value.tag) {
    case kDerBoolean:  // X.690 11.1.
      return value.content.size() == 1 &&
             (value.content[0] == 0x00 || value.content[0] == 0xff);
    case kDerInteger:
    case kDerEnumerated:
      return MinimalInteger(value.content);
    case kDerNull:
      return value.content.empty();
    case kDerOid:
      return !OidToString(value.content).empty();
    case kDerBitString: {  // X.690 11.2: unused bits are zero.
      if (value.content.empty() || value.content[0] > 7) return false;
      const uint8_t unused = value.content[0];
      if (value.content.size() == 1) return unused == 0;
      return (value.content.back() & ((1u << unused) - 1)) == 0;
    }
    default:
      return true;
  }
}

bool ValidTree(BytesView bytes, size_t depth) {
  if (depth > kDerDepthMax) return false;
  bool failed = false;
  DerReader reader(bytes, &failed);
  while (reader.More()) {
    const DerValue value = reader.Any();
    if (failed) return false;
    const bool constructed = (value.tag & kConstructed) != 0;
    const bool universal = (value.tag & 0xc0) == 0;
    // X.690 10.2: strings are primitive; only SEQUENCE and SET are not.
    const bool must_construct =
        value.tag == kDerSequence || value.tag == kDerSet;
    if (universal && constructed != must_construct) return false;
    if (constructed ? !ValidTree(value.content, depth + 1)
                    : !ValidPrimitive(value)) {
      return false;
    }
  }
  return !failed;
}

}  // namespace

DerValue DerReader::Any() {
  if (*failed_ || rest_.size() < 2) {
    Fail();
    return {};
  }
  DerValue value;
  value.tag = rest_[0];
  size_t length = rest_[1];
  size_t header = 2;
  if ((value.tag & kTagNumberMask) == kTagNumberMask) {  // Multi-byte tag.
    Fail();
    return {};
  }
  if (length >= 0x80) {  // X.690 10.1: definite, and as short as possible.
    const size_t bytes = length & 0x7f;
    if (bytes == 0 || bytes > 4 || rest_.size() < 2 + bytes) {
      Fail();
      return {};
    }
    length = 0;
    for (size_t i = 0; i < bytes; ++i) length = length << 8 | rest_[2 + i];
    header += bytes;
    if (length < 0x80 || length >> (8 * (bytes - 1)) == 0) {
      Fail();
      return {};
    }
  }
  if (length > rest_.size() - header) {
    Fail();
    return {};
  }
  value.content = rest_.subspan(header, length);
  value.encoding = rest_.subspan(0, header + length);
  rest_.remove_prefix(header + length);
  return value;
}

DerValue DerReader::Take(uint8_t tag) {
  if (!NextIs(tag)) {
    Fail();
    return {};
  }
  return Any();
}

bool DerReader::Boolean() {
  const DerValue value = Take(kDerBoolean);
  // A value that was not there has no contents to look at.
  if (value.tag != kDerBoolean || !ValidPrimitive(value)) {
    Fail();
    return false;
  }
  return value.content[0] == 0xff;
}

BytesView DerReader::Unsigned(size_t size_max) {
  BytesView content = Take(kDerInteger).content;
  if (!MinimalInteger(content) || (content[0] & 0x80) != 0) {
    Fail();
    return {};
  }
  if (content.size() > 1 && content[0] == 0) content.remove_prefix(1);
  if (content.size() > size_max) {
    Fail();
    return {};
  }
  return content;
}

uint32_t DerReader::U32() {
  uint32_t value = 0;
  for (uint8_t b : Unsigned(4)) value = value << 8 | b;
  return value;
}

BytesView DerReader::BitString() {
  BytesView content = Take(kDerBitString).content;
  if (content.empty() || content[0] != 0) {
    Fail();
    return {};
  }
  return content.subspan(1);
}

std::string DerReader::Oid() {
  std::string oid = OidToString(Take(kDerOid).content);
  if (oid.empty()) Fail();
  return oid;
}

bool IsDer(BytesView bytes) {
  bool failed = false;
  DerReader reader(bytes, &failed);
  reader.Any();
  reader.Finish();
  return !failed && ValidTree(bytes, 0);
}

std::string OidToString(BytesView content) {
  std::string dotted;
  uint64_t arc = 0;
  bool fresh = true;
  for (uint8_t b : content) {
    // X.690 8.19.2: no leading zero digits. The bound keeps `arc` in range.
    if ((fresh && b == 0x80) || arc >> 56 != 0) return "";
    arc = arc << 7 | (b & 0x7f);
    fresh = (b & 0x80) == 0;
    if (!fresh) continue;
    if (dotted.empty()) {
      const uint64_t first = arc < 40 ? 0 : arc < 80 ? 1 : 2;
      dotted = absl::StrCat(first, ".", arc - 40 * first);
    } else {
      absl::StrAppend(&dotted, ".", arc);
    }
    arc = 0;
  }
  return fresh ? dotted : "";
}

}  // namespace kms::x509
