// An opened chunk: no input crashes the parser, and what it accepts encodes to
// the same bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "storage/snapshot/chunk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kms::ByteWriter again;
  const absl::Status parsed = kms::storage::ParseChunk(
      {data, size}, [&again](const kms::storage::SnapshotRecord& record) {
        kms::storage::PutRecord(record, again);
        return absl::OkStatus();
      });
  if (!parsed.ok()) return 0;
  if (kms::AsBytes(again.str()) != kms::BytesView{data, size}) std::abort();
  return 0;
}
