// EcdsaDerToRaw: no crash, and what is accepted re-encodes to the same bytes.
#include <cstdlib>

#include "kms/crypto/ecdsa_signature.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::crypto::Curve;
  const kms::BytesView der(data, size);
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const auto raw = kms::crypto::EcdsaDerToRaw(curve, der);
    if (!raw.ok()) continue;
    const kms::BytesView halves = kms::AsBytes(*raw);
    const size_t half = kms::crypto::CurveFieldSize(curve);
    const auto again = kms::crypto::EcdsaRawToDer(curve, halves.first(half),
                                                  halves.subspan(half));
    if (!again.ok() || kms::AsBytes(*again) != der) std::abort();
  }
  return 0;
}
