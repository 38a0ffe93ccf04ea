// Property: no crash, and what is accepted is within its bounds and in order.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/refusal.h"
#include "policy/reference_values/json.h"
#include "policy/reference_values/limits.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = kms::reference_values::ReadJson(
      absl::string_view(reinterpret_cast<const char*>(data), size));
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
