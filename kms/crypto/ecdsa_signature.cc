#include "kms/crypto/ecdsa_signature.h"

#include "absl/status/status.h"
#include "kms/base/byte_writer.h"
#include "kms/crypto/der.h"

namespace kms::crypto {
namespace {

// Left-pads a magnitude of at most `size` bytes.
void AppendPadded(BytesView number, size_t size, std::string& out) {
  out.append(size - number.size(), '\0');
  out.append(AsStringView(number).data(), number.size());
}

// The INTEGER of a big-endian number that is not zero. Its length fits the
// short form: 48 bytes and a sign byte at most.
void AppendInteger(BytesView number, ByteWriter& out) {
  while (number[0] == 0) number.remove_prefix(1);
  const bool sign_byte = (number[0] & 0x80) != 0;
  out.U8(kDerInteger).U8(static_cast<uint8_t>(number.size() + sign_byte));
  if (sign_byte) out.U8(0);
  out.Bytes(number);
}

}  // namespace

absl::StatusOr<std::string> EcdsaDerToRaw(Curve curve, BytesView der) {
  DerReader reader(der);
  DerReader pair = reader.Nested(kDerSequence);
  const BytesView r = pair.Unsigned();
  const BytesView s = pair.Unsigned();
  if (!reader.Finished() || !pair.Finished()) {
    return absl::InvalidArgumentError("ecdsa signature: not strict DER");
  }
  const size_t size = CurveFieldSize(curve);
  if (r.empty() || s.empty() || r.size() > size || s.size() > size) {
    return absl::InvalidArgumentError("ecdsa signature: r or s out of range");
  }
  std::string raw;
  raw.reserve(2 * size);
  AppendPadded(r, size, raw);
  AppendPadded(s, size, raw);
  return raw;
}

absl::StatusOr<std::string> EcdsaRawToDer(Curve curve, BytesView r,
                                          BytesView s) {
  const size_t size = CurveFieldSize(curve);
  if (r.size() != size || s.size() != size) {
    return absl::InvalidArgumentError("ecdsa signature: wrong length");
  }
  if (AllZero(r) || AllZero(s)) {
    return absl::InvalidArgumentError("ecdsa signature: r or s out of range");
  }
  ByteWriter pair;
  AppendInteger(r, pair);
  AppendInteger(s, pair);
  // At most 2 * (2 + 1 + 48) = 102 bytes: the short form again.
  ByteWriter der;
  der.U8(kDerSequence).U8(static_cast<uint8_t>(pair.str().size()));
  der.Bytes(pair.str());
  return der.Take();
}

}  // namespace kms::crypto
