// The acknowledged file: no input crashes, and a position that is accepted is
// one that a slot of the file really encodes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "storage/log/local/acknowledged_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using kms::storage::kAcknowledgedFileBytes;
  using kms::storage::kAcknowledgedSlotBytes;
  using kms::storage::kAcknowledgedSlotOffset;
  // Two slots are all that can vary usefully: the rest is filled in, so that
  // mutations are spent on them. Other sizes are refused as they are.
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size == 2 * kAcknowledgedSlotBytes) {
    file.insert(kAcknowledgedSlotBytes,
                kAcknowledgedSlotOffset - kAcknowledgedSlotBytes, '\0');
  }
  const auto position =
      kms::storage::DecodeAcknowledgedFile(kms::AsBytes(file));
  if (file.size() != kAcknowledgedFileBytes) {
    if (position.ok()) std::abort();
    return 0;
  }
  if (!position.ok() || *position == kms::storage::LogPosition{}) return 0;
  const std::string slot = kms::storage::EncodeAcknowledgedSlot(*position);
  if (file.compare(0, slot.size(), slot) != 0 &&
      file.compare(kAcknowledgedSlotOffset, slot.size(), slot) != 0) {
    std::abort();
  }
  return 0;
}
