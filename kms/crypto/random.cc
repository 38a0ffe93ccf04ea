#include "kms/crypto/random.h"

#include <openssl/rand.h>

#include <climits>

#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {

void RandomBytes(absl::Span<uint8_t> out) {
  DieUnless(out.size() <= INT_MAX &&
                RAND_bytes(out.data(), static_cast<int>(out.size())) == 1,
            "random: the generator failed");
}

std::string RandomString(size_t size) {
  std::string out(size, '\0');
  RandomBytes(absl::MakeSpan(reinterpret_cast<uint8_t*>(out.data()), size));
  return out;
}

absl::StatusOr<Secret> RandomSecret(size_t size) {
  KMS_ASSIGN_OR_RETURN(Secret secret, Secret::Allocate(size));
  const absl::Span<uint8_t> out = secret.ExposeMutable(GrantSecretAccess());
  DieUnless(RAND_priv_bytes(out.data(), static_cast<int>(out.size())) == 1,
            "random: the generator failed");
  return secret;
}

}  // namespace kms::crypto
