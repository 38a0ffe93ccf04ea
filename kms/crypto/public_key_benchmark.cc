// Public-key operations as this folder offers them, each beside the same
// operation of bare OpenSSL: the difference is our overhead.
#include <benchmark/benchmark.h>
#include <openssl/core_names.h>

#include <string>

#include "kms/base/secret_access.h"
#include "kms/crypto/ecdh.h"
#include "kms/crypto/hpke.h"
#include "kms/crypto/openssl.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/random.h"
#include "kms/crypto/signing_key.h"

namespace kms::crypto {
namespace {

const std::string kMessage(672,
                           'm');  // As long as an SNP report's signed part.

void EcdsaP384VerifyBare(benchmark::State& state) {
  EVP_PKEY* made = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384");
  const PkeyPtr key(made);
  std::string digest(48, 'd');
  std::string signature(104, '\0');
  size_t size = signature.size();
  const PkeyCtxPtr signer(EVP_PKEY_CTX_new_from_pkey(nullptr, made, nullptr));
  EVP_PKEY_sign_init(signer.get());
  EVP_PKEY_sign(signer.get(), reinterpret_cast<uint8_t*>(signature.data()),
                &size, AsBytes(digest).data(), digest.size());
  const PkeyCtxPtr verifier(EVP_PKEY_CTX_new_from_pkey(nullptr, made, nullptr));
  EVP_PKEY_verify_init(verifier.get());
  for (auto _ : state) {
    DieUnless(EVP_PKEY_verify(verifier.get(), AsBytes(signature).data(), size,
                              AsBytes(digest).data(), digest.size()) == 1,
              "does not verify");
  }
}
BENCHMARK(EcdsaP384VerifyBare);

void EcdsaP384Verify(benchmark::State& state) {
  const auto key = EcdsaSigningKey::Generate(Curve::kP384).value();
  const std::string raw = key.SignRaw(Hash::kSha384, AsBytes(kMessage));
  for (auto _ : state) {
    DieUnless(
        key.public_key()
            .VerifyEcdsaRaw(Hash::kSha384, AsBytes(kMessage),
                            AsBytes(raw).first(48), AsBytes(raw).subspan(48))
            .ok(),
        "does not verify");
  }
}
BENCHMARK(EcdsaP384Verify);

PkeyPtr Ed25519Pkey() {
  return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

// One context, started once, signs over and over: less than one would do who
// needs a context for each signature.
void Ed25519SignBare(benchmark::State& state) {
  const PkeyPtr key = Ed25519Pkey();
  const MdCtxPtr context(EVP_MD_CTX_new());
  EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get());
  uint8_t signature[64];
  for (auto _ : state) {
    size_t size = sizeof(signature);
    DieUnless(EVP_DigestSign(context.get(), signature, &size,
                             AsBytes(kMessage).data(), kMessage.size()) == 1,
              "does not sign");
  }
}
BENCHMARK(Ed25519SignBare);

void Ed25519Sign(benchmark::State& state) {
  const auto key = Ed25519SigningKey::Generate().value();
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(kMessage));
}
BENCHMARK(Ed25519Sign);

void Ed25519VerifyBare(benchmark::State& state) {
  const PkeyPtr key = Ed25519Pkey();
  const MdCtxPtr signer(EVP_MD_CTX_new());
  uint8_t signature[64];
  size_t size = sizeof(signature);
  EVP_DigestSignInit(signer.get(), nullptr, nullptr, nullptr, key.get());
  EVP_DigestSign(signer.get(), signature, &size, AsBytes(kMessage).data(),
                 kMessage.size());
  const MdCtxPtr context(EVP_MD_CTX_new());
  EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get());
  for (auto _ : state) {
    DieUnless(EVP_DigestVerify(context.get(), signature, size,
                               AsBytes(kMessage).data(), kMessage.size()) == 1,
              "does not verify");
  }
}
BENCHMARK(Ed25519VerifyBare);

void Ed25519Verify(benchmark::State& state) {
  const auto signer = Ed25519SigningKey::Generate().value();
  const auto key = PublicKey::Ed25519(AsBytes(signer.public_key())).value();
  const std::string signature = signer.Sign(kMessage);
  for (auto _ : state) {
    DieUnless(key.VerifyEd25519(AsBytes(kMessage), AsBytes(signature)).ok(),
              "does not verify");
  }
}
BENCHMARK(Ed25519Verify);

void Ed25519ReadPublicKey(benchmark::State& state) {
  const auto signer = Ed25519SigningKey::Generate().value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(PublicKey::Ed25519(AsBytes(signer.public_key())));
  }
}
BENCHMARK(Ed25519ReadPublicKey);

void X25519GenerateBare(benchmark::State& state) {
  const PkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_name(nullptr, "X25519", nullptr));
  EVP_PKEY_keygen_init(context.get());
  for (auto _ : state) {
    EVP_PKEY* made = nullptr;
    EVP_PKEY_generate(context.get(), &made);
    const PkeyPtr key(made);
  }
}
BENCHMARK(X25519GenerateBare);

void X25519DeriveBare(benchmark::State& state) {
  const PkeyPtr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  const PkeyPtr peer(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
  const PkeyCtxPtr context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  EVP_PKEY_derive_init(context.get());
  EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), 0);
  uint8_t shared[32];
  for (auto _ : state) {
    size_t size = sizeof(shared);
    DieUnless(EVP_PKEY_derive(context.get(), shared, &size) == 1,
              "does not derive");
  }
}
BENCHMARK(X25519DeriveBare);

void X25519Derive(benchmark::State& state) {
  const auto own = HpkeGenerateKeyPair(Kem::kX25519).value();
  const auto peer = HpkeGenerateKeyPair(Kem::kX25519).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(X25519(own.private_key.scalar(),
                                    AsBytes(own.public_key),
                                    AsBytes(peer.public_key)));
  }
}
BENCHMARK(X25519Derive);

// X25519GenerateBare and X25519DeriveBare are what cannot be saved of it.
void HpkeSealing(benchmark::State& state) {
  const Kem kem = static_cast<Kem>(state.range(0));
  const auto recipient = HpkeGenerateKeyPair(kem).value();
  const Secret secret = RandomSecret(32).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(HpkeSeal(kem, AsBytes(recipient.public_key),
                                      AsBytes("info"), AsBytes("aad"), secret));
  }
}
BENCHMARK(HpkeSealing)
    ->Arg(static_cast<int>(Kem::kX25519))
    ->Arg(static_cast<int>(Kem::kP256));

void HpkeCheckingAKey(benchmark::State& state) {
  const Kem kem = static_cast<Kem>(state.range(0));
  const auto recipient = HpkeGenerateKeyPair(kem).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        HpkeCheckPublicKey(kem, AsBytes(recipient.public_key)));
  }
}
BENCHMARK(HpkeCheckingAKey)
    ->Arg(static_cast<int>(Kem::kX25519))
    ->Arg(static_cast<int>(Kem::kP256));

}  // namespace
}  // namespace kms::crypto

BENCHMARK_MAIN();
