#include "kms/seal/rekey.h"

#include <utility>

#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/seal/limits.h"

namespace kms::seal {

absl::StatusOr<std::unique_ptr<Rekey>> Rekey::Begin(const SealFile& current,
                                                    const RootKeeping& to) {
  KMS_RETURN_IF_ERROR(CheckCounts(to));
  std::unique_ptr<Rekey> rekey(new Rekey());
  rekey->id_ = crypto::RandomString(kRekeyIdBytes);
  rekey->to_ = to;
  if (current.kind == SealKind::kShamir) {
    rekey->phase_ = RekeyPhase::kAgreeing;
    rekey->shares_ = std::make_unique<UnsealCeremony>(current);
  }
  return rekey;
}

uint32_t Rekey::progress() const {
  return shares_ == nullptr ? 0 : shares_->progress();
}

uint32_t Rekey::threshold() const {
  return shares_ == nullptr ? 0 : shares_->threshold();
}

absl::Status Rekey::Offer(absl::string_view principal, absl::string_view text,
                          absl::Time now) {
  KMS_ASSIGN_OR_RETURN(const std::optional<OpenedSeal> opened,
                       shares_->Offer(principal, text, now));
  // What it opened is in memory here already: only that it did is news.
  if (!opened.has_value()) return absl::OkStatus();
  shares_ = nullptr;
  phase_ = phase_ == RekeyPhase::kAgreeing ? RekeyPhase::kAgreed
                                           : RekeyPhase::kReady;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Secret>> Rekey::Prepare(
    const SealFile& current, const InstanceFile& instance,
    const storage::Keyring& keyring,
    const crypto::Ed25519SigningKey& instance_key) {
  RekeyedFiles next;
  next.seal = current;
  KMS_ASSIGN_OR_RETURN(next.root, crypto::RandomSecret(kRootKeyBytes));
  KMS_ASSIGN_OR_RETURN(std::vector<Secret> shares,
                       KeepRoot(to_, next.root, keyring, next.seal));
  KMS_ASSIGN_OR_RETURN(
      next.instance,
      MakeInstanceFile(AsBytes(current.commitments.cluster_id),
                       AsBytes(instance.id), instance_key, next.root));
  if (shares.empty()) {
    phase_ = RekeyPhase::kReady;
  } else {
    phase_ = RekeyPhase::kConfirming;
    shares_ = std::make_unique<UnsealCeremony>(next.seal);
  }
  next_ = std::move(next);
  return shares;
}

RekeyedFiles Rekey::TakeFiles() { return *std::move(next_); }

}  // namespace kms::seal
