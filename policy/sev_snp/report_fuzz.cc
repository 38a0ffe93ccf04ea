// Property: no crash, and a report that parses re-encodes to the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/sev_snp/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto report = kms::sev_snp::ParseReport(input);
  if (report.ok() &&
      kms::AsBytes(kms::sev_snp::SerializeReport(*report)) != input) {
    std::abort();
  }
  return 0;
}
