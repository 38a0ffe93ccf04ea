// Property: no crash, and a table that parses still says the same after it was
// written again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "policy/sev_snp/cert_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto table = kms::sev_snp::ParseCertTable({data, size});
  if (!table.ok()) return 0;
  const std::string written = kms::sev_snp::SerializeCertTable(*table);
  const auto again = kms::sev_snp::ParseCertTable(kms::AsBytes(written));
  if (!again.ok() || again->vcek != table->vcek || again->ask != table->ask ||
      again->ark != table->ark || again->vlek != table->vlek ||
      again->crl != table->crl) {
    std::abort();
  }
  return 0;
}
