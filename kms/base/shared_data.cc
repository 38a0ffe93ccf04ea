#include "kms/base/shared_data.h"

#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace kms {

std::string SharedPath(absl::string_view name) {
  return absl::StrCat("../shared/", name);
}

absl::optional<std::string> ReadShared(absl::string_view name) {
  const std::string path = SharedPath(name);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::printf("NOT RUN: %s is not there\n", path.c_str());
    return absl::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(file),
                     std::istreambuf_iterator<char>());
}

}  // namespace kms
