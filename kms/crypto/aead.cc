#include "kms/crypto/aead.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/gcm.h"

namespace kms::crypto {
namespace {

absl::Status CheckSizes(BytesView nonce, BytesView text, BytesView aad) {
  if (nonce.size() != Aes256Gcm::kNonceSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("aead nonce: ", nonce.size(), " bytes, want 12"));
  }
  if (text.size() > kGcmBytesMax || aad.size() > kGcmBytesMax) {
    return absl::InvalidArgumentError("aead: more than 1 GiB");
  }
  return absl::OkStatus();
}

absl::Status Unauthentic() {
  return absl::UnauthenticatedError("aead: does not authenticate");
}

}  // namespace

absl::StatusOr<Aes256Gcm> Aes256Gcm::Create(const Secret& key) {
  if (key.size() != kKeySize) {
    return absl::InvalidArgumentError(
        absl::StrCat("aead key: ", key.size(), " bytes, want 32"));
  }
  KMS_ASSIGN_OR_RETURN(Secret copy, key.Clone());
  return Aes256Gcm(std::move(copy));
}

absl::StatusOr<std::string> Aes256Gcm::Seal(BytesView nonce,
                                            BytesView plaintext,
                                            BytesView aad) const {
  KMS_RETURN_IF_ERROR(CheckSizes(nonce, plaintext, aad));
  std::string sealed(plaintext.size() + kTagSize, '\0');
  GcmSeal(
      key_.Expose(GrantSecretAccess()), nonce, plaintext, aad,
      absl::MakeSpan(reinterpret_cast<uint8_t*>(sealed.data()), sealed.size()));
  return sealed;
}

absl::StatusOr<std::string> Aes256Gcm::Open(BytesView nonce, BytesView sealed,
                                            BytesView aad) const {
  KMS_RETURN_IF_ERROR(CheckSizes(nonce, sealed, aad));
  if (sealed.size() < kTagSize) return Unauthentic();
  std::string plaintext(sealed.size() - kTagSize, '\0');
  if (!GcmOpen(key_.Expose(GrantSecretAccess()), nonce, sealed, aad,
               absl::MakeSpan(reinterpret_cast<uint8_t*>(plaintext.data()),
                              plaintext.size()))) {
    return Unauthentic();
  }
  return plaintext;
}

absl::StatusOr<std::string> Aes256Gcm::SealSecret(BytesView nonce,
                                                  const Secret& plaintext,
                                                  BytesView aad) const {
  return Seal(nonce, plaintext.Expose(GrantSecretAccess()), aad);
}

absl::StatusOr<Secret> Aes256Gcm::OpenSecret(BytesView nonce, BytesView sealed,
                                             BytesView aad) const {
  KMS_RETURN_IF_ERROR(CheckSizes(nonce, sealed, aad));
  if (sealed.size() < kTagSize) return Unauthentic();
  KMS_ASSIGN_OR_RETURN(Secret plaintext,
                       Secret::Allocate(sealed.size() - kTagSize));
  if (!GcmOpen(key_.Expose(GrantSecretAccess()), nonce, sealed, aad,
               plaintext.ExposeMutable(GrantSecretAccess()))) {
    return Unauthentic();
  }
  return plaintext;
}

}  // namespace kms::crypto
