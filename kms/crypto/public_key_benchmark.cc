// Public-key operations as this folder offers them, each beside the same
// operation of bare OpenSSL: the difference is our overhead.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include "kms/base/secret_access.h"
#include "kms/crypto/bare_operations.h"
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

void Bare(benchmark::State& state, std::function<void()> (*make)()) {
  const std::function<void()> operation = make();
  for (auto _ : state) operation();
}
BENCHMARK_CAPTURE(Bare, EcdsaP384Verify, BareEcdsaP384Verify);
BENCHMARK_CAPTURE(Bare, Ed25519Sign, BareEd25519Sign);
BENCHMARK_CAPTURE(Bare, Ed25519Verify, BareEd25519Verify);
BENCHMARK_CAPTURE(Bare, X25519Generate, BareX25519Generate);
BENCHMARK_CAPTURE(Bare, X25519Derive, BareX25519Derive);

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

void Ed25519Sign(benchmark::State& state) {
  const auto key = Ed25519SigningKey::Generate().value();
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(kMessage));
}
BENCHMARK(Ed25519Sign);

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

// Bare X25519Generate and X25519Derive are what cannot be saved of it.
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
