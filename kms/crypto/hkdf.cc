#include "kms/crypto/hkdf.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/openssl.h"

namespace kms::crypto {

absl::StatusOr<Secret> HkdfExtract(Hash hash, BytesView salt,
                                   const Secret& ikm) {
  const SecretAccess access = GrantSecretAccess();
  return HkdfExtract(hash, salt, {ikm.Expose(access)}, access);
}

absl::StatusOr<Secret> HkdfExtract(Hash hash, BytesView salt,
                                   absl::Span<const BytesView> ikm,
                                   SecretAccess access) {
  // HMAC pads its key with zeros, so an empty salt and one of zeros agree.
  KMS_ASSIGN_OR_RETURN(const HmacKey key, HmacKey::Create(hash, salt, access));
  KMS_ASSIGN_OR_RETURN(Secret prk, Secret::Allocate(HashSize(hash)));
  const MdCtxPtr context(EVP_MD_CTX_new());  // Freed and zeroed: holds the key.
  key.Compute(context.get(), ikm, prk.ExposeMutable(access));
  return prk;
}

absl::StatusOr<Secret> HkdfExpand(Hash hash, const Secret& prk, BytesView info,
                                  size_t size) {
  const SecretAccess access = GrantSecretAccess();
  const size_t step = HashSize(hash);
  if (size > 255 * step) {
    return absl::InvalidArgumentError(
        absl::StrCat("hkdf: ", size, " bytes, at most ", 255 * step));
  }
  KMS_ASSIGN_OR_RETURN(const HmacKey key,
                       HmacKey::Create(hash, prk.Expose(access), access));
  KMS_ASSIGN_OR_RETURN(Secret okm, Secret::Allocate(size));
  KMS_ASSIGN_OR_RETURN(Secret block, Secret::Allocate(step));
  const absl::Span<uint8_t> t = block.ExposeMutable(access);
  const absl::Span<uint8_t> out = okm.ExposeMutable(access);
  const MdCtxPtr context(EVP_MD_CTX_new());  // Freed and zeroed: holds the key.
  uint8_t counter = 0;
  for (size_t done = 0; done < size; done += step) {
    // T(i) = HMAC(PRK, T(i-1) | info | i), where T(0) is empty.
    const BytesView previous = done == 0 ? BytesView() : BytesView(t);
    ++counter;
    key.Compute(context.get(),
                {previous, info, absl::MakeConstSpan(&counter, 1)}, t);
    std::copy_n(t.begin(), std::min(step, size - done), out.begin() + done);
  }
  return okm;
}

}  // namespace kms::crypto
