// One-time key pairs to which administrators seal key material, so that it
// does not rely on TLS alone: a proxy that ends TLS sees only ciphertext, and
// cannot give a pair of its own, because the public half is signed.
//
// They live in memory, on the instance that made them, for ten minutes, and
// open one message each. Material sealed to one is lost with it, never
// misused: the administrator asks for another.
// Thread-safe.
#ifndef KMS_LIFECYCLE_IMPORT_KEYS_H_
#define KMS_LIFECYCLE_IMPORT_KEYS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/crypto/hpke.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/keys.pb.h"

namespace kms::lifecycle {

// Each is a few hundred bytes, of them 32 in locked memory. More than any
// team of administrators imports in ten minutes.
inline constexpr size_t kImportKeysMax = 64;
inline constexpr absl::Duration kImportKeyLifetime = absl::Minutes(10);

class ImportKeys {
 public:
  // A fresh key pair of `instance`, on its clock.
  // LIMIT_REACHED: kImportKeysMax are waiting to be used. An old one is never
  // pushed out: nobody may spoil another's import by asking for many.
  absl::StatusOr<v1::ImportKey> Make(
      const std::shared_ptr<const Instance>& instance);

  // The private half, which is forgotten here: there is no second use, be the
  // first one successful or not.
  // NOT_FOUND: unknown, used, expired, or of another instance or unsealing;
  // which of them is not said.
  absl::StatusOr<crypto::HpkePrivateKey> Take(
      const std::shared_ptr<const Instance>& instance,
      absl::string_view import_key_id);

 private:
  struct Offer {
    crypto::HpkePrivateKey private_key;
    absl::Time made;
  };

  // Forgets what is expired, and everything of an earlier unsealing.
  void DropStale(const std::shared_ptr<const Instance>& instance)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::weak_ptr<const Instance> owner_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Offer, std::less<>> offers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_IMPORT_KEYS_H_
