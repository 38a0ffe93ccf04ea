// What a watch may send: entries come in order, without gaps and within
// bounds, whatever the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "proto/etcd/server.pb.h"
#include "storage/log/etcd/entry_assembler.h"

namespace {

void Demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kms::storage;
  etcdserverpb::WatchResponse response;
  if (!response.ParseFromArray(data, static_cast<int>(size))) return 0;
  const EtcdKeys keys("k", 1);
  EntryAssembler assembler(keys, /*index=*/0, /*revision=*/1);
  for (mvccpb::Event& event : *response.mutable_events()) {
    const uint64_t index = assembler.index();
    const int64_t revision = assembler.revision();
    const std::string key = event.kv().key();
    const auto taken = assembler.Take(std::move(event));
    if (!taken.ok()) break;
    const bool entry = taken->has_value();
    Demand(assembler.index() == index + (entry ? 1 : 0));
    if (!entry) continue;
    Demand(key == keys.Tail());
    Demand(assembler.revision() > revision);
    Demand((*taken)->entry.position == (LogPosition{1, index + 1}));
    const size_t bytes = (*taken)->entry.batch.size();
    Demand(bytes > 0 && bytes <= kBatchBytesMax);
    // The id has one key, and the key one id.
    Demand(keys.ParseBatch(keys.Batch((*taken)->id)) == (*taken)->id);
  }
  return 0;
}
