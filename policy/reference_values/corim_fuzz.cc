// Property: no crash, and what is accepted is within its bounds and in order.
// The first byte splits the rest into protected header and payload.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/refusal.h"
#include "policy/reference_values/corim.h"
#include "policy/reference_values/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const kms::BytesView rest(data + 1, size - 1);
  const size_t split = std::min<size_t>(data[0], rest.size());
  const auto file = kms::reference_values::ReadVerifiedCorim(
      rest.first(split), rest.subspan(split), "");
  if (!file.ok()) {
    if (kms::RefusalOf(file.status()) != kms::v1::ENDORSEMENT_MALFORMED) {
      std::abort();
    }
    return 0;
  }
  if (file->values.empty() ||
      file->values.size() > kms::reference_values::kValuesMax ||
      std::adjacent_find(file->values.begin(), file->values.end(),
                         [](const auto& a, const auto& b) { return a >= b; }) !=
          file->values.end()) {
    std::abort();
  }
  return 0;
}
