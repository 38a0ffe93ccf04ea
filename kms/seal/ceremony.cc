#include "kms/seal/ceremony.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/crypto/shamir.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

absl::Status Rejected(absl::string_view fault) {
  return Refuse(v1::SHARE_REJECTED, absl::StrCat("unseal share: ", fault));
}

// Every field is of a fixed size but the domain, which ends with NUL: no two
// shares give the same input.
std::string Commit(absl::string_view salt, const Share& share) {
  const uint8_t numbers[] = {share.index, share.threshold};
  return crypto::Sha256Hasher()
      .Update(absl::string_view("kms.v1 share commitment\0", 24))
      .Update(salt)
      .Update(share.cluster_prefix)
      .Update(share.ceremony_id)
      .Update(BytesView(numbers))
      .Update(share.data.Expose(GrantSecretAccess()))
      .Finish();
}

}  // namespace

absl::Status CheckShareCounts(uint32_t shares, uint32_t threshold) {
  if (shares >= 1 && shares <= kSharesMax && threshold >= 1 &&
      threshold <= shares && (shares == 1 || threshold >= 2)) {
    return absl::OkStatus();
  }
  return Refuse(v1::REQUEST_MALFORMED,
                absl::StrCat("root key: ", threshold, " of ", shares,
                             " shares, want 1 to ", kSharesMax,
                             " shares and a threshold of 2 to that many, or 1 "
                             "of 1"));
}

absl::StatusOr<SplitRoot> MakeShares(const Secret& root,
                                     absl::string_view cluster_id,
                                     uint32_t shares, uint32_t threshold) {
  KMS_RETURN_IF_ERROR(CheckShareCounts(shares, threshold));
  KMS_ASSIGN_OR_RETURN(std::vector<crypto::Share> split,
                       crypto::Split(root, static_cast<int>(shares),
                                     static_cast<int>(threshold)));
  SplitRoot result;
  ShareCommitments& commitments = result.commitments;
  commitments.cluster_id = std::string(cluster_id);
  commitments.ceremony_id = crypto::RandomString(kCeremonyIdBytes);
  commitments.salt = crypto::RandomString(kCommitmentSaltBytes);
  commitments.threshold = static_cast<uint8_t>(threshold);
  for (crypto::Share& part : split) {
    Share share;
    share.cluster_prefix =
        std::string(cluster_id.substr(0, kShareClusterBytes));
    share.ceremony_id = commitments.ceremony_id;
    share.index = part.x;
    share.threshold = commitments.threshold;
    share.data = std::move(part.y);
    KMS_ASSIGN_OR_RETURN(Secret text, PrintShare(share));
    result.texts.push_back(std::move(text));
    commitments.digests.push_back(Commit(commitments.salt, share));
  }
  return result;
}

UnsealCeremony::UnsealCeremony(SealFile file)
    : file_(std::move(file)), offers_(kOffersPerSecond, kOffersBurst) {}

absl::StatusOr<std::optional<OpenedSeal>> UnsealCeremony::Offer(
    absl::string_view principal, absl::string_view text, absl::Time now) {
  if (!offers_.Allow(principal, now)) {
    return Refuse(v1::RATE_LIMITED,
                  "unseal: too many shares from this administrator; wait");
  }
  KMS_ASSIGN_OR_RETURN(Share share, ParseShare(text));
  absl::MutexLock lock(&mutex_);
  KMS_RETURN_IF_ERROR(Check(share));
  const uint8_t index = share.index;
  accepted_.emplace(index, std::move(share));
  if (accepted_.size() < file_.commitments.threshold) {
    return std::optional<OpenedSeal>();
  }
  absl::StatusOr<OpenedSeal> opened = Combine();
  accepted_.clear();
  if (!opened.ok()) return opened.status();
  return std::optional<OpenedSeal>(*std::move(opened));
}

absl::Status UnsealCeremony::Check(const Share& share) const {
  const ShareCommitments& want = file_.commitments;
  if (share.cluster_prefix != want.cluster_id.substr(0, kShareClusterBytes)) {
    return Rejected("of another cluster");
  }
  if (share.ceremony_id != want.ceremony_id) {
    return Rejected("of another ceremony of this cluster");
  }
  if (share.threshold != want.threshold) {
    return Rejected(absl::StrCat("for a threshold of ", share.threshold,
                                 ", want ", want.threshold));
  }
  if (share.index == 0 || share.index > want.digests.size()) {
    return Rejected(absl::StrCat("index ", share.index, ", want 1 to ",
                                 want.digests.size()));
  }
  // Before "given already": a forgery under that index is called one.
  if (!ConstantTimeEqual(AsBytes(Commit(want.salt, share)),
                         AsBytes(want.digests[share.index - 1]))) {
    return Rejected(absl::StrCat("share ", share.index,
                                 " does not match its commitment; it was "
                                 "tampered with"));
  }
  if (accepted_.count(share.index) != 0) {
    return Rejected(absl::StrCat("share ", share.index, " is given already"));
  }
  return absl::OkStatus();
}

absl::StatusOr<OpenedSeal> UnsealCeremony::Combine() {
  std::vector<crypto::Share> parts;
  for (auto& [index, share] : accepted_) {
    parts.push_back(crypto::Share{index, std::move(share.data)});
  }
  KMS_ASSIGN_OR_RETURN(Secret root, crypto::Combine(parts));
  KMS_ASSIGN_OR_RETURN(storage::Keyring keyring, OpenKeyringOf(file_, root));
  return OpenedSeal{std::move(root), std::move(keyring)};
}

void UnsealCeremony::Reset() {
  absl::MutexLock lock(&mutex_);
  accepted_.clear();
}

uint32_t UnsealCeremony::progress() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<uint32_t>(accepted_.size());
}

}  // namespace kms::seal
