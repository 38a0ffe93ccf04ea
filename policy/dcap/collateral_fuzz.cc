// Property: no crash; of what parses, levels are in order and none is there
// twice, which matching relies on.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "policy/dcap/collateral.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckLevels(const std::vector<kms::dcap::IsvLevel>& levels) {
  for (size_t i = 1; i < levels.size(); ++i) {
    Require(levels[i].isv_svn < levels[i - 1].isv_svn);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto info = kms::dcap::ParseTcbInfoFile(input);
  if (info.ok()) {
    Require(!info->levels.empty());
    for (const auto& identity : info->identities) CheckLevels(identity.levels);
  }
  const auto identity = kms::dcap::ParseQeIdentityFile(input);
  if (identity.ok()) {
    Require(!identity->levels.empty());
    CheckLevels(identity->levels);
  }
  return 0;
}
