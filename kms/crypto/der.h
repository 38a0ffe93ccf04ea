// A strict reader for the few DER structures that keys and signatures need.
// Source: X.690, sections 8.1, 8.3 and 10.1: one encoding per value.
// Only definite, minimal lengths and tags below 31 are read. Like ByteReader
// it fails once and stays failed. Thread-compatible; views alias the input.
// Not a certificate parser.
#ifndef KMS_CRYPTO_DER_H_
#define KMS_CRYPTO_DER_H_

#include <cstdint>

#include "kms/base/bytes.h"

namespace kms::crypto {

inline constexpr uint8_t kDerInteger = 0x02;
inline constexpr uint8_t kDerBitString = 0x03;
inline constexpr uint8_t kDerNull = 0x05;
inline constexpr uint8_t kDerOid = 0x06;
inline constexpr uint8_t kDerSequence = 0x30;
// [n] EXPLICIT.
constexpr uint8_t DerContext(uint8_t n) {
  return static_cast<uint8_t>(0xa0 | n);
}

class DerReader {
 public:
  explicit DerReader(BytesView der) : rest_(der) {}

  // The contents of the next element, which must have this identifier octet.
  BytesView Element(uint8_t tag);

  // The contents of the next element as a reader of their own; failed if this
  // one failed.
  DerReader Nested(uint8_t tag);

  // A non-negative INTEGER's magnitude: big-endian, no leading zero; empty for
  // zero. Fails on a negative number or padding.
  BytesView Unsigned();

  // A BIT STRING's bytes; fails unless it is a whole number of them.
  BytesView BitString();

  // True if another element with this identifier octet is next.
  bool Next(uint8_t tag) const {
    return !failed_ && !rest_.empty() && rest_[0] == tag;
  }

  bool failed() const { return failed_; }
  bool empty() const { return rest_.empty(); }

  // True if nothing failed and nothing is left.
  bool Finished() const { return !failed_ && rest_.empty(); }

 private:
  BytesView Failure();

  BytesView rest_;
  bool failed_ = false;
};

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_DER_H_
