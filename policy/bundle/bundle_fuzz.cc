// Property: no crash, on reading or on writing what was read.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/bytes.h"
#include "policy/bundle/bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto index =
      kms::policy::ParseBundleIndex(kms::AsStringView({data, size}));
  if (index.ok()) kms::policy::BundleIndexToJson(*index);
  return 0;
}
