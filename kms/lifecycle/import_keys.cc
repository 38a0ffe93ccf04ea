#include "kms/lifecycle/import_keys.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/kem.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/import_aad.h"
#include "kms/lifecycle/signed_import_key.h"

namespace kms::lifecycle {

absl::StatusOr<v1::ImportKey> ImportKeys::Make(
    const std::shared_ptr<const Instance>& instance) {
  constexpr crypto::Kem kKem = crypto::Kem::kX25519;
  KMS_ASSIGN_OR_RETURN(crypto::HpkeKeyPair pair,
                       crypto::HpkeGenerateKeyPair(kKem));
  v1::ImportKey import_key;
  import_key.set_import_key_id(crypto::RandomString(kImportKeyIdSize));
  import_key.set_kem_id(static_cast<uint32_t>(kKem));
  import_key.set_public_key(pair.public_key);
  SignImportKey(instance->identity_key, AsBytes(instance->cluster_id),
                import_key);

  absl::MutexLock lock(&mutex_);
  DropStale(instance);
  if (offers_.size() >= kImportKeysMax) {
    return Refuse(
        v1::LIMIT_REACHED,
        absl::StrCat("import keys: ", kImportKeysMax,
                     " are unused, want one to be used or to expire"));
  }
  offers_.emplace(import_key.import_key_id(),
                  Offer{std::move(pair.private_key), instance->clock.Now()});
  return import_key;
}

absl::StatusOr<crypto::HpkePrivateKey> ImportKeys::Take(
    const std::shared_ptr<const Instance>& instance,
    absl::string_view import_key_id) {
  absl::MutexLock lock(&mutex_);
  DropStale(instance);
  const auto offer = offers_.find(import_key_id);
  if (offer == offers_.end()) {
    return Refuse(v1::NOT_FOUND,
                  "import key: unknown, used or expired on this instance; get "
                  "another");
  }
  crypto::HpkePrivateKey private_key = std::move(offer->second.private_key);
  offers_.erase(offer);
  return private_key;
}

void ImportKeys::DropStale(const std::shared_ptr<const Instance>& instance) {
  if (owner_.lock() != instance) {
    offers_.clear();
    owner_ = instance;
  }
  const absl::Time now = instance->clock.Now();
  for (auto offer = offers_.begin(); offer != offers_.end();) {
    // A clock that was set back makes a key unusable, not longer-lived.
    const absl::Duration age = now - offer->second.made;
    if (age < absl::ZeroDuration() || age >= kImportKeyLifetime) {
      offer = offers_.erase(offer);
    } else {
      ++offer;
    }
  }
}

}  // namespace kms::lifecycle
