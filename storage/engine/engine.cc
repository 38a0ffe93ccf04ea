#include "storage/engine/engine.h"

#include <cstdio>
#include <cstdlib>

namespace kms::storage {

void WriteBatch::Put(absl::string_view key, absl::string_view value) {
  operations_.push_back(
      {Operation::Kind::kPut, std::string(key), std::string(value)});
}

void WriteBatch::Delete(absl::string_view key) {
  operations_.push_back({Operation::Kind::kDelete, std::string(key), ""});
}

void AbortOnFatal(const absl::Status& status) {
  std::fprintf(stderr, "fatal: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace kms::storage
