// What runs for every stored row and every log leaf.
#include <benchmark/benchmark.h>

#include <string>

#include "kms/crypto/digest.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/random.h"
#include "kms/crypto/xaes.h"

namespace kms::crypto {
namespace {

const std::string kRow(300, 'r');
const std::string kAad(40, 'a');

void XaesSeal(benchmark::State& state) {
  static const Xaes256Gcm xaes =
      Xaes256Gcm::Create(RandomSecret(32).value()).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(xaes.Seal(AsBytes(kRow), AsBytes(kAad)));
  }
}
BENCHMARK(XaesSeal)->Threads(1)->Threads(2);

void XaesOpen(benchmark::State& state) {
  static const Xaes256Gcm xaes =
      Xaes256Gcm::Create(RandomSecret(32).value()).value();
  const std::string sealed = xaes.Seal(AsBytes(kRow), AsBytes(kAad));
  for (auto _ : state) {
    benchmark::DoNotOptimize(xaes.Open(AsBytes(sealed), AsBytes(kAad)));
  }
}
BENCHMARK(XaesOpen)->Threads(1)->Threads(2);

void Nonce(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(RandomString(24));
}
BENCHMARK(Nonce);

void Hmac(benchmark::State& state) {
  const auto key = HmacSha256Key::Create(RandomSecret(32).value()).value();
  for (auto _ : state) benchmark::DoNotOptimize(key.Mac(AsBytes(kRow)));
}
BENCHMARK(Hmac);

void Sha256OfARow(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(Sha256(AsBytes(kRow)));
}
BENCHMARK(Sha256OfARow);

}  // namespace
}  // namespace kms::crypto

BENCHMARK_MAIN();
