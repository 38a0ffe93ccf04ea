// What binds imported key material to its purpose: the HPKE info and aad that
// an administrator's tool seals with and this service opens with.
//
//   info := "kms.v1 import"
//   aad  := import key id (16 bytes), field(namespace), field(name)
//   field := uint32 (big-endian) length, bytes
//
// Source: proto/kms/v1/keys.proto, NewMaterial. Thread-safe: free functions.
#ifndef KMS_LIFECYCLE_IMPORT_AAD_H_
#define KMS_LIFECYCLE_IMPORT_AAD_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/byte_writer.h"

namespace kms::lifecycle {

inline constexpr size_t kImportKeyIdSize = 16;
inline constexpr char kImportInfo[] = "kms.v1 import";

// `import_key_id`: kImportKeyIdSize bytes. `name_space`: resolved, so
// "default" where the request leaves it empty. `name`: the key's.
inline std::string ImportAad(absl::string_view import_key_id,
                             absl::string_view name_space,
                             absl::string_view name) {
  return ByteWriter().Bytes(import_key_id).Field(name_space).Field(name).Take();
}

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_IMPORT_AAD_H_
