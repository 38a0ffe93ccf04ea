// ParseBlob: no crash on any bytes; what is accepted encodes to the same bytes
// and opens under nobody's key.
#include <cstdint>
#include <cstdlib>

#include "kms/base/refusal.h"
#include "kms/lifecycle/wrapped_blob.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::lifecycle::EncodeBlob;
  using kms::lifecycle::OpenBlob;
  static const auto* const pair = new kms::crypto::HpkeKeyPair(
      *kms::crypto::HpkeGenerateKeyPair(kms::crypto::Kem::kX25519));
  const kms::BytesView bytes(data, size);
  const auto blob = kms::lifecycle::ParseBlob(bytes);
  if (!blob.ok()) {
    if (kms::RefusalOf(blob.status()) != kms::v1::BLOB_MALFORMED) abort();
    return 0;
  }
  if (kms::AsBytes(EncodeBlob(*blob)) != bytes) abort();
  if (kms::RefusalOf(OpenBlob(*blob, pair->private_key).status()) !=
      kms::v1::BLOB_REJECTED) {
    abort();
  }
  return 0;
}
