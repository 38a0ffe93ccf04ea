// The two ceremonies around the root key: splitting it into shares for its
// custodians, and gathering enough of them to have it back.
//
// A share is genuine if it matches its commitment in the seal file, a salted
// SHA-256 of the whole share. The shares of a threshold of 2 or more are
// uniformly random 256-bit strings, so a commitment tells nothing about its
// share that could be searched for; with one share of one, it commits to the
// root key itself, which is random too. A wrong share is thus named when it is
// offered, by its own fault, and combining never makes a key out of it.
//
// Source: threats.md G12 and "Unseal attacker".
#ifndef KMS_SEAL_CEREMONY_H_
#define KMS_SEAL_CEREMONY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/base/rate_limiter.h"
#include "kms/base/secret.h"
#include "kms/seal/seal_file.h"
#include "kms/seal/share.h"
#include "storage/envelope/keyring.h"

namespace kms::seal {

struct SplitRoot {
  std::vector<Secret> texts;  // One share each, as PrintShare.
  ShareCommitments commitments;
};

// REQUEST_MALFORMED: not 1 <= threshold <= shares <= kSharesMax, or a threshold
//   of 1 with several shares, each of which would be the root key.
absl::Status CheckShareCounts(uint32_t shares, uint32_t threshold);

// Splits `root` (32 bytes) into `shares` shares of which any `threshold` give
// it back, under a new ceremony id. `cluster_id`: 16 bytes.
// REQUEST_MALFORMED: CheckShareCounts.
// kResourceExhausted: no locked memory left.
absl::StatusOr<SplitRoot> MakeShares(const Secret& root,
                                     absl::string_view cluster_id,
                                     uint32_t shares, uint32_t threshold);

// The root key and what it opened: the proof that it is the right one.
struct OpenedSeal {
  Secret root;
  storage::Keyring keyring;
};

// Gathers the shares of one seal file. Thread-safe.
class UnsealCeremony {
 public:
  // `file`: of kind kShamir.
  explicit UnsealCeremony(SealFile file);

  // Takes one share, offered by `principal` at `now`; returns the root key if
  // it was the last one needed, and forgets all shares then.
  // SHARE_REJECTED: malformed, of another cluster or ceremony, with another
  //   threshold or an impossible index, given already, or not matching its
  //   commitment; the message says which. The shares accepted stay as they
  //   are.
  // RATE_LIMITED: this principal offered more shares just now than a ceremony
  //   and its typing errors need; the share was not looked at. Nobody else is
  //   held up by him.
  // DATA_LOSS: the shares are genuine and the seal file is not theirs any more;
  //   all shares are forgotten.
  // kResourceExhausted: no locked memory left.
  absl::StatusOr<std::optional<OpenedSeal>> Offer(absl::string_view principal,
                                                  absl::string_view text,
                                                  absl::Time now);

  // Forgets the shares accepted so far.
  void Reset();

  // How many are accepted, and how many are wanted.
  uint32_t progress() const;
  uint32_t threshold() const { return file_.commitments.threshold; }

 private:
  absl::Status Check(const Share& share) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<OpenedSeal> Combine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SealFile file_;
  RateLimiter offers_;  // By principal.
  mutable absl::Mutex mutex_;
  std::map<uint8_t, Share> accepted_ ABSL_GUARDED_BY(mutex_);  // By index.
};

}  // namespace kms::seal

#endif  // KMS_SEAL_CEREMONY_H_
