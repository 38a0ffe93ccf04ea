// DER, the strict subset of BER (ITU-T X.690 section 10) that certificates
// are signed in: definite minimal lengths, one-byte tags, minimal integers.
// What is not DER is refused, so a value has one encoding and the bytes that
// were signed are the bytes that were read.
//
// A reader and all readers it opens share one failure flag, owned by the
// caller: like ByteReader it fails once and stays failed, and the caller asks
// for the verdict at the end. Views alias the input.
// Thread-compatible. Does not order SETs nor refuse explicit DEFAULT values:
// AMD's own certificates spell one out.
#ifndef KMS_CRYPTO_X509_DER_H_
#define KMS_CRYPTO_X509_DER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::x509 {

enum DerTag : uint8_t {
  kDerBoolean = 0x01,
  kDerInteger = 0x02,
  kDerBitString = 0x03,
  kDerOctetString = 0x04,
  kDerNull = 0x05,
  kDerOid = 0x06,
  kDerEnumerated = 0x0a,
  kDerUtf8String = 0x0c,
  kDerPrintableString = 0x13,
  kDerTeletexString = 0x14,
  kDerIa5String = 0x16,
  kDerUtcTime = 0x17,
  kDerGeneralizedTime = 0x18,
  kDerSequence = 0x30,
  kDerSet = 0x31,
};

// [n] of primitive and of constructed form.
constexpr uint8_t DerContext(uint8_t n) { return 0x80 | n; }
constexpr uint8_t DerContextConstructed(uint8_t n) { return 0xa0 | n; }

struct DerValue {
  uint8_t tag = 0;
  BytesView content;
  BytesView encoding;  // Tag, length and content.
};

class DerReader {
 public:
  // `failed` outlives the reader and starts out false.
  DerReader(BytesView bytes, bool* failed) : rest_(bytes), failed_(failed) {}

  // False once anything failed, so loops over it end.
  bool More() const { return !*failed_ && !rest_.empty(); }
  bool NextIs(uint8_t tag) const { return More() && rest_[0] == tag; }

  DerValue Any();
  DerValue Take(uint8_t tag);
  DerReader Enter(uint8_t tag) { return DerReader(Take(tag).content, failed_); }

  bool Boolean();
  // Content of an INTEGER that is not negative, minimal, at most `size_max`
  // bytes without the sign byte; the sign byte is removed.
  BytesView Unsigned(size_t size_max);
  // An INTEGER of 0 to 2^32-1.
  uint32_t U32();
  BytesView BitString();  // Whole bytes only.
  BytesView OctetString() { return Take(kDerOctetString).content; }
  std::string Oid();  // Dotted.

  void Fail() { *failed_ = true; }
  // Fails unless everything was read.
  void Finish() {
    if (!rest_.empty()) Fail();
  }

 private:
  BytesView rest_;
  bool* failed_;
};

// True if `bytes` is exactly one DER value, with everything constructed inside
// it valid as well, nested at most kDerDepthMax deep.
bool IsDer(BytesView bytes);

// Dotted form of an OBJECT IDENTIFIER's content; empty if ill-formed.
std::string OidToString(BytesView content);

}  // namespace kms::x509

#endif  // KMS_CRYPTO_X509_DER_H_
