// One rekey, from its begin to the moment when the new root key is to be taken
// into use: who has to agree, and who has to show that he got his share.
//
//   AGREEING    shares of the old root key, where custodians have it
//   (prepared)  the new root key exists, and is kept as it is to be
//   CONFIRMING  shares of the new one, where custodians are to have it
//   (ready)     the files may be replaced
//
// Until then nothing of the old root key has changed, so that a crash, a lost
// answer or Cancel costs nothing but the new shares.
// Source: architecture.md, "At rest": a re-key rewraps the keyring.
// Thread-compatible. It writes no file and orders nothing.
#ifndef KMS_SEAL_REKEY_H_
#define KMS_SEAL_REKEY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/secret.h"
#include "kms/crypto/signing_key.h"
#include "kms/seal/ceremony.h"
#include "kms/seal/instance_file.h"
#include "kms/seal/keep_root.h"
#include "kms/seal/seal_file.h"
#include "storage/envelope/keyring.h"

namespace kms::seal {

enum class RekeyPhase { kAgreeing, kAgreed, kConfirming, kReady };

// What is to stand in the files, and the root key that opens both.
struct RekeyedFiles {
  SealFile seal;
  InstanceFile instance;
  Secret root;
};

class Rekey {
 public:
  // From the root key of `current` to one kept as `to`, whose device outlives
  // the rekey. kAgreeing, or kAgreed if no custodian has the old root key.
  // REQUEST_MALFORMED: CheckCounts.
  static absl::StatusOr<std::unique_ptr<Rekey>> Begin(const SealFile& current,
                                                      const RootKeeping& to);

  const std::string& id() const { return id_; }  // 8 random bytes.
  RekeyPhase phase() const { return phase_; }
  const RootKeeping& to() const { return to_; }
  // Of the shares in kAgreeing and kConfirming; else 0.
  uint32_t progress() const;
  uint32_t threshold() const;

  // Takes one share, in kAgreeing or kConfirming; the last one moves on to
  // kAgreed or kReady. Codes of UnsealCeremony::Offer.
  absl::Status Offer(absl::string_view principal, absl::string_view text,
                     absl::Time now);

  // In kAgreed: makes the new root key and keeps it for the same keyring and
  // instance. On to kReady, or to kConfirming: the custodians' new shares are
  // returned then. Codes of KeepRoot; the phase stays then.
  absl::StatusOr<std::vector<Secret>> Prepare(
      const SealFile& current, const InstanceFile& instance,
      const storage::Keyring& keyring,
      const crypto::Ed25519SigningKey& instance_key);

  // In kReady, once.
  RekeyedFiles TakeFiles();

 private:
  Rekey() = default;

  std::string id_;
  RekeyPhase phase_ = RekeyPhase::kAgreed;
  RootKeeping to_;
  std::unique_ptr<UnsealCeremony> shares_;  // Null where none are wanted.
  std::optional<RekeyedFiles> next_;        // From Prepare on.
};

}  // namespace kms::seal

#endif  // KMS_SEAL_REKEY_H_
