// Apply on arbitrary decrypted bytes: whoever holds the log key may append
// anything. No crash; and what is not a batch of a registered instance is a
// no-op that every instance survives.
#include <cstdlib>

#include "kms/base/bytes.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/batch_codec.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

// The bytes as a padded batch, and as one signed command inside one.
void ApplyBytes(absl::string_view bytes) {
  StateFixture fixture;
  MemoryEngine engine;
  FedMachine fed(fixture, engine);
  const auto padded = PadBatch(bytes);
  if (!padded.ok()) return;
  for (const absl::string_view plain : {bytes, absl::string_view(*padded)}) {
    const auto sealed = fixture.envelope().Seal(KeyKind::kLog, AsBytes(plain),
                                                AsBytes("kms.v1 log entry"));
    if (!sealed.ok() || !fed.Feed(*sealed).ok()) std::abort();
  }
  Batch batch = fixture.NewBatch(fixture.first(), *fed.view(), {});
  batch.add_commands()->set_command(std::string(bytes));
  const auto result = fed.Feed(fixture.Seal(fixture.first(), batch));
  // An unknown field stops this build; nothing else may.
  if (!result.ok() && !absl::IsFailedPrecondition(result.status())) {
    std::abort();
  }
}

}  // namespace
}  // namespace kms::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kms::storage::ApplyBytes(kms::AsStringView({data, size}));
  return 0;
}
