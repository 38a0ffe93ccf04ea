// Property: no crash, and a report that parses re-encodes to the same bytes,
// whatever its opaque data mean.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/nvidia/opaque_data.h"
#include "policy/nvidia/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto report = kms::nvidia::ParseReport(input);
  if (!report.ok()) return 0;
  if (kms::AsBytes(kms::nvidia::SerializeReport(*report)) != input) {
    std::abort();
  }
  kms::nvidia::ReadDeviceState(report->opaque, /*is_switch=*/false)
      .status()
      .IgnoreError();
  kms::nvidia::ReadDeviceState(report->opaque, /*is_switch=*/true)
      .status()
      .IgnoreError();
  return 0;
}
