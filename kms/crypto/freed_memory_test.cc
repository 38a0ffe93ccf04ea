// OpenSSL copies private keys about in memory of its own: nothing of one may be
// left in what it frees.
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/ecdh.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/random.h"
#include "kms/crypto/signing_key.h"

namespace kms::crypto {
namespace {

constexpr size_t kKeySize = 32;

// What to look for, as it is and, for numbers, the other way round.
struct Marked {
  std::array<uint8_t, kKeySize> forwards;
  std::array<uint8_t, kKeySize> backwards;
};
const Marked* marked = nullptr;
int found = 0;

void* Allocate(size_t size, const char*, int) { return malloc(size); }

void Free(void* block, const char*, int) {
  if (block != nullptr && marked != nullptr) {
    const size_t size = malloc_usable_size(block);
    for (const auto& bytes : {marked->forwards, marked->backwards}) {
      if (memmem(block, size, bytes.data(), bytes.size()) != nullptr) ++found;
    }
  }
  free(block);
}

// Always moves, since the C library may too.
void* Reallocate(void* block, size_t size, const char* file, int line) {
  void* const moved = malloc(size);
  if (block != nullptr && moved != nullptr) {
    memcpy(moved, block, std::min(size, malloc_usable_size(block)));
    Free(block, file, line);
  }
  return moved;
}

// Only before OpenSSL allocates anything.
const bool hooked = CRYPTO_set_mem_functions(Allocate, Reallocate, Free) == 1;

// The freed blocks that hold `key` when `use` is done with it.
int LeftBy(const Secret& key, const std::function<void()>& use) {
  Marked mark;
  const BytesView bytes = key.Expose(GrantSecretAccess());
  std::copy(bytes.begin(), bytes.end(), mark.forwards.begin());
  std::reverse_copy(bytes.begin(), bytes.end(), mark.backwards.begin());
  found = 0;
  marked = &mark;
  use();
  marked = nullptr;
  return found;
}

TEST(FreedMemoryTest, TheTestSeesWhatIsFreed) {
  ASSERT_TRUE(hooked);
  const Secret key = *RandomSecret(kKeySize);
  EXPECT_EQ(LeftBy(key,
                   [&] {
                     void* const block = OPENSSL_malloc(100);
                     memcpy(block, key.Expose(GrantSecretAccess()).data(),
                            kKeySize);
                     OPENSSL_free(block);
                   }),
            1);
}

TEST(FreedMemoryTest, HoldsNoPrivateKeyOfAnAgreement) {
  for (const Kem kem : {Kem::kP256, Kem::kX25519}) {
    const HpkeKeyPair pair = *HpkeGenerateKeyPair(kem);
    const HpkeKeyPair peer = *HpkeGenerateKeyPair(kem);
    const Secret& scalar = pair.private_key.scalar();
    const HpkeSealed sealed =
        *HpkeSeal(kem, AsBytes(pair.public_key), {}, {}, *RandomSecret(32));
    EXPECT_EQ(
        LeftBy(
            scalar,
            [&] { EXPECT_TRUE(HpkePrivateKey::FromScalar(kem, scalar).ok()); }),
        0)
        << static_cast<int>(kem);
    // OpenSSL 3.0's own multiplication of a P-256 point: README.md.
    EXPECT_LE(
        LeftBy(scalar,
               [&] {
                 EXPECT_TRUE(HpkeOpen(pair.private_key, AsBytes(sealed.enc), {},
                                      {}, AsBytes(sealed.ciphertext))
                                 .ok());
               }),
        kem == Kem::kP256 ? 1 : 0)
        << static_cast<int>(kem);
    // The shared secret is one too.
    const auto agree = [&] {
      return kem == Kem::kP256 ? *P256Ecdh(scalar, AsBytes(pair.public_key),
                                           AsBytes(peer.public_key))
                               : *X25519(scalar, AsBytes(pair.public_key),
                                         AsBytes(peer.public_key));
    };
    EXPECT_EQ(LeftBy(agree(), [&] { agree(); }), 0) << static_cast<int>(kem);
  }
}

TEST(FreedMemoryTest, HoldsNoSigningKey) {
  const Secret seed = *RandomSecret(kKeySize);
  EXPECT_EQ(LeftBy(seed,
                   [&] {
                     const auto key = Ed25519SigningKey::FromSeed(seed);
                     ASSERT_TRUE(key.ok());
                     key->Sign(AsBytes("x"));
                   }),
            0);
  EXPECT_EQ(LeftBy(seed,
                   [&] {
                     const auto key =
                         EcdsaSigningKey::FromScalar(Curve::kP256, seed);
                     ASSERT_TRUE(key.ok());
                     key->SignDer(Hash::kSha256, AsBytes("x"));
                   }),
            0);
}

}  // namespace
}  // namespace kms::crypto
