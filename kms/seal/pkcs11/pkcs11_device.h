// The root key, encrypted by a key that never leaves a PKCS#11 token.
//
// The token's key is an AES-256 key, sensitive and not extractable, found by
// its label and made by the first Wrap if there is none; it encrypts by
// AES-GCM (CKM_AES_GCM). Of what a token can wrap with, this is what HSMs and
// softhsm2 have in common: CKM_AES_KEY_WRAP needs the root key as an object
// on the token, which HSMs in FIPS mode refuse to take in or to show again; of
// RSA-OAEP softhsm2 has only SHA-1, and whoever keeps a copy of the disk would
// wait for a machine that factors. An HSM that insists on a nonce of its own
// writes it over ours, and what it wrote is what is kept.
//
//   wrapped    = format nonce ciphertext tag
//   format     = %x01
//   nonce      = 12 bytes
//   ciphertext = 32 bytes
//   tag        = 16 bytes      ; over "kms.v1 root key" NUL, too
//
// Source: OASIS PKCS #11 v2.40, Current Mechanisms, 2.12 (AES-GCM).
#ifndef KMS_SEAL_PKCS11_PKCS11_DEVICE_H_
#define KMS_SEAL_PKCS11_PKCS11_DEVICE_H_

#include <string>

#include "kms/seal/root_device.h"

namespace kms::seal {

struct Pkcs11Options {
  std::string module;    // Path of the module, a shared library.
  std::string token;     // The token's label, 1 to 32 bytes.
  std::string pin_file;  // The user's PIN; mode 0600. A final newline is none.
  std::string key;       // The key's label, 1 to 64 bytes.
};

class Pkcs11Device : public RootDevice {
 public:
  explicit Pkcs11Device(Pkcs11Options options);

  // SEAL_PIN_REJECTED also: pin_file cannot be read, or others may read it.
  // SEAL_KEY_REJECTED also: several keys have the label; the key may leave the
  //   token in plaintext; or it is not the one that wrapped.
  absl::StatusOr<std::string> Wrap(const Secret& root) const override;
  absl::StatusOr<Secret> Unwrap(BytesView wrapped) const override;

 private:
  absl::StatusOr<Secret> ReadPin() const;

  const Pkcs11Options options_;
};

}  // namespace kms::seal

#endif  // KMS_SEAL_PKCS11_PKCS11_DEVICE_H_
