// ParseHeaderBlock and Table::Parse: no crash, and what is accepted re-encodes
// to the same bytes and has a layout within bounds.
#include <cstdlib>

#include "kms/weights/format.h"

namespace {

using kms::weights::Header;
using kms::weights::Layout;
using kms::weights::Table;

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A corpus of headers, not of blocks that are nearly all padding.
  std::string block(reinterpret_cast<const char*>(data), size);
  if (block.size() < kms::weights::kBlockSize) {
    block.resize(kms::weights::kBlockSize);
  }
  const auto header = kms::weights::ParseHeaderBlock(kms::AsBytes(block));
  if (header.ok()) {
    Require(kms::weights::EncodeHeaderBlock(*header) == block);
    const Layout layout(*header);
    Require(layout.data_offset() % kms::weights::kBlockSize == 0);
    Require(layout.file_size() - layout.data_offset() == header->size);
    if (layout.segments() > 0) {
      const uint64_t last = layout.segments() - 1;
      Require(layout.PlaintextOffset(last) + layout.SizeOf(last) ==
              header->size);
    }
  }
  const auto table =
      Table::Parse(std::string(reinterpret_cast<const char*>(data), size));
  if (table.ok()) {
    Table copy(table->segments());
    for (uint64_t i = 0; i < table->segments(); ++i) {
      copy.Set(i, table->Get(i));
    }
    Require(copy.bytes() == table->bytes());
    Require(table->bytes().size() == size);
  }
  return 0;
}
