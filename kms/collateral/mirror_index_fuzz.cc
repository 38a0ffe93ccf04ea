// A mirror's index. Property: no crash, and what is accepted names files inside
// the mirror's folder and nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "kms/base/bytes.h"
#include "kms/collateral/mirror_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto index =
      kms::collateral::ParseMirrorIndex(kms::AsStringView({data, size}));
  if (!index.ok()) return 0;
  for (const kms::collateral::MirrorEntry& entry : *index) {
    if (entry.files.empty()) std::abort();
    for (const std::string& file : entry.files) {
      if (file.front() == '/' || absl::StrContains(file, "/.") ||
          absl::StrContains(file, ":")) {
        std::abort();
      }
    }
  }
  return 0;
}
