#include "kms/crypto/der.h"

#include <cstddef>

namespace kms::crypto {

BytesView DerReader::Failure() {
  failed_ = true;
  rest_ = {};
  return {};
}

BytesView DerReader::Element(uint8_t tag) {
  if (failed_ || rest_.size() < 2 || rest_[0] != tag) return Failure();
  size_t header = 2;
  size_t size = rest_[1];
  if (size >= 0x80) {
    // Long form: up to three length bytes, far above any key or signature. 0x80
    // itself is BER's indefinite length.
    const size_t octets = size & 0x7f;
    if (octets == 0 || octets > 3 || rest_.size() < 2 + octets) {
      return Failure();
    }
    size = 0;
    for (size_t i = 0; i < octets; ++i) size = size << 8 | rest_[2 + i];
    // X.690, 10.1: the minimum number of octets.
    if (size < 0x80 || size >> (8 * (octets - 1)) == 0) return Failure();
    header += octets;
  }
  if (size > rest_.size() - header) return Failure();
  const BytesView contents = rest_.subspan(header, size);
  rest_.remove_prefix(header + size);
  return contents;
}

DerReader DerReader::Nested(uint8_t tag) {
  DerReader nested(Element(tag));
  nested.failed_ = failed_;
  return nested;
}

BytesView DerReader::Unsigned() {
  BytesView number = Element(kDerInteger);
  if (failed_ || number.empty() || (number[0] & 0x80) != 0) return Failure();
  if (number[0] != 0) return number;
  // X.690, 8.3.2: a leading zero only to keep the sign bit clear, or as zero.
  if (number.size() > 1 && (number[1] & 0x80) == 0) return Failure();
  number.remove_prefix(1);
  return number;
}

BytesView DerReader::BitString() {
  BytesView bits = Element(kDerBitString);
  if (failed_ || bits.empty() || bits[0] != 0) return Failure();
  bits.remove_prefix(1);
  return bits;
}

}  // namespace kms::crypto
