// Property: no crash, and an HCL report that parses re-encodes to the same
// bytes; nor any crash in what it carries, whoever vouches for it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/az_vtpm/hcl_report.h"
#include "policy/az_vtpm/runtime_data.h"
#include "policy/az_vtpm/td_report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  (void)kms::az_vtpm::ParseRuntimeData(kms::AsStringView(input));
  (void)kms::az_vtpm::ParseTdReport(input);
  const auto report = kms::az_vtpm::ParseHclReport(input);
  if (!report.ok()) return 0;
  (void)kms::az_vtpm::ParseRuntimeData(report->runtime_data);
  if (kms::AsBytes(kms::az_vtpm::SerializeHclReport(*report)) != input) {
    std::abort();
  }
  return 0;
}
