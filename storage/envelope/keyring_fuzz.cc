// The plaintext keyring: no input crashes the decoder, and what it accepts
// encodes to the same bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/base/secret_access.h"
#include "storage/envelope/keyring.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kms::Secret::kSizeMax) return 0;
  const auto encoded =
      kms::Secret::CopyOf({data, size}, kms::GrantSecretAccess());
  if (!encoded.ok()) std::abort();
  const auto keyring = kms::storage::DecodeKeyring(*encoded);
  if (!keyring.ok()) return 0;
  const auto again = kms::storage::EncodeKeyring(*keyring);
  if (!again.ok() || !(*again == *encoded)) std::abort();
  return 0;
}
