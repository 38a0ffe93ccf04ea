// The public-key operations of a release in bare OpenSSL: keys made and
// contexts started beforehand, nothing around the arithmetic. What benchmarks
// compare ours with.
// Thread-compatible: each function's result belongs to one thread.
// For benchmarks only; nothing is checked but that the operation worked.
#ifndef KMS_CRYPTO_BARE_OPERATIONS_H_
#define KMS_CRYPTO_BARE_OPERATIONS_H_

#include <functional>

namespace kms::crypto {

// Each makes its keys and answers a function that does the operation once.
std::function<void()> BareEcdsaP256Verify();
std::function<void()> BareEcdsaP384Verify();
std::function<void()> BareRsa2048Verify();  // RSASSA-PKCS1-v1_5, SHA-256.
std::function<void()> BareEd25519Sign();
std::function<void()> BareEd25519Verify();
std::function<void()> BareX25519Generate();
std::function<void()> BareX25519Derive();

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_BARE_OPERATIONS_H_
