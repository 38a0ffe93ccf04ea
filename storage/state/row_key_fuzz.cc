// What parses as a row key is made again from its parts, byte for byte.
#include <cstdlib>

#include "kms/base/bytes.h"
#include "storage/state/row_key.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kms::storage;
  const auto bytes = kms::AsStringView({data, size});
  const auto key = ParseRowKey(bytes);
  if (key.ok() &&
      MakeRowKey(key->family(), key->namespace_tag(), key->id()).bytes() !=
          bytes) {
    std::abort();
  }
  return 0;
}
