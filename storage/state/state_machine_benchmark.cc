// CPU of Apply for one Release a batch, and of what it cannot avoid.
//   bazel run -c opt //storage/state:state_machine_benchmark
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/engine/rocksdb_engine.h"
#include "storage/state/batch_codec.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

// Batches of `state.range(0)` releases of one key, proposed as our own: no
// signature is made or verified within the measured time.
void ApplyRelease(benchmark::State& state) {
  const auto path =
      std::filesystem::temp_directory_path() / "state_machine_benchmark";
  std::filesystem::remove_all(path);
  RocksdbOptions options;
  options.path = path.string();
  const auto engine = OpenRocksdbEngine(options);
  StateFixture fixture;
  FedMachine fed(fixture, **engine);
  fed.Do(fixture.PutPolicy("p", 0, 1'000'000'000, 3'600'000'000));
  fed.Do(fixture.CreateKey("k", TestId(1), "p"));
  uint64_t challenge = 0;
  uint64_t index = fed.log().size();
  const uint64_t generation = fed.generation();
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Command> commands;
    for (int64_t i = 0; i < state.range(0); ++i) {
      commands.push_back(fixture.Release(TestId(1), ++challenge, generation));
    }
    const LogEntry entry = {
        {1, ++index},
        fixture.Seal(fixture.first(),
                     fixture.NewBatch(fixture.first(), *fed.view(), commands))};
    state.ResumeTiming();
    const auto result =
        fed.machine().Apply(entry, [](absl::string_view) { return true; });
    if (!result.ok() || !result->effects.back().ok()) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ApplyRelease)->Arg(1)->Arg(16)->Arg(256);

}  // namespace
}  // namespace kms::storage

BENCHMARK_MAIN();
