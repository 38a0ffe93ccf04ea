// Challenges: the fresh bytes that Evidence must be made over. Stateless, so
// any instance can check what another issued; single use is the log's affair.
//
//   challenge = format key issued expires random mac
//   format    = %x01
//   key       = uint32be   ; challenge key version
//   issued    = uint64be   ; microseconds since 1970 UTC
//   expires   = uint64be
//   random    = 32 bytes
//   mac       = 32 bytes   ; HMAC-SHA256 under that challenge key
//
// The MAC covers domain, cluster id and epoch before the fields, so neither
// another cluster nor the same one before a restore can have issued it. It
// covers the expiry too: instances with other configurations agree on when a
// challenge ends, and so on how long its use must be remembered.
// Thread-safe: immutable.
#ifndef KMS_RELEASE_CHALLENGE_H_
#define KMS_RELEASE_CHALLENGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "storage/envelope/keyring.h"

namespace kms::release {

inline constexpr size_t kChallengeBytes = 85;

// Clocks of instances may differ by this much; more is a challenge from the
// future, and refused.
inline constexpr absl::Duration kChallengeSkewMax = absl::Seconds(60);

struct Challenge {
  std::string bytes;
  absl::Time expires;
};

class ChallengeKeeper {
 public:
  // `cluster_id`: 16 bytes. `lifetime`: from issue to expiry.
  ChallengeKeeper(std::shared_ptr<const storage::Keyring> keyring,
                  BytesView cluster_id, uint64_t epoch,
                  absl::Duration lifetime);

  // Issues one at `now`, under the primary challenge key.
  absl::StatusOr<Challenge> Issue(absl::Time now) const;

  // Returns when `challenge` expires.
  // CHALLENGE_INVALID: not issued by this cluster in this epoch.
  // CHALLENGE_EXPIRED: too old at `now`, or from the future.
  absl::StatusOr<absl::Time> Check(BytesView challenge, absl::Time now) const;

 private:
  absl::StatusOr<std::string> Mac(uint32_t key_version, BytesView fields) const;

  std::shared_ptr<const storage::Keyring> keyring_;
  std::string context_;  // What the MAC covers before the fields.
  absl::Duration lifetime_;
};

}  // namespace kms::release

#endif  // KMS_RELEASE_CHALLENGE_H_
