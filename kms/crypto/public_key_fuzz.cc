// FromSpki: no crash, and what is accepted is the one encoding of its key.
#include <cstdlib>

#include "kms/crypto/public_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::crypto::Curve;
  using kms::crypto::KeyKind;
  using kms::crypto::PublicKey;
  const kms::BytesView der(data, size);
  const auto key = PublicKey::FromSpki(der);
  if (!key.ok()) return 0;
  if (kms::AsBytes(key->spki()) != der) std::abort();
  if (key->kind() == KeyKind::kEd25519 &&
      !(PublicKey::Ed25519(key->key_bytes()).value() == *key)) {
    std::abort();
  }
  if (key->kind() == KeyKind::kP256 &&
      !(PublicKey::FromPoint(Curve::kP256, key->key_bytes()).value() == *key)) {
    std::abort();
  }
  return 0;
}
