// Bounds of what instances say to each other, each with its reason.
#ifndef KMS_CLUSTER_LIMITS_H_
#define KMS_CLUSTER_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace kms::cluster {

// Ids, a key and two numbers, with room to grow.
inline constexpr size_t kJoinerBytesMax = 1024;

// As a release's.
inline constexpr size_t kJoinEvidenceBytesMax = size_t{4} << 20;

// Judgements of one join before APPRAISAL_STALE goes to the joiner.
inline constexpr int kJoinAppraisalsMax = 3;

// Joins that one network may try: each costs signatures. A fleet joins one
// after the other.
inline constexpr double kJoinsPerSecond = 1;
inline constexpr double kJoinsBurst = 20;

// A head is a few hundred bytes.
inline constexpr size_t kHeadBytesMax = 1024;
inline constexpr size_t kProblemBytesMax = 64;

// Heads are exchanged this often, and one is fresh for so long (review.md 4).
inline constexpr absl::Duration kHeadInterval = absl::Milliseconds(250);
inline constexpr absl::Duration kHeadFresh = absl::Seconds(1);
// An exchange that takes longer says nothing fresh.
inline constexpr absl::Duration kExchangeTimeout = absl::Seconds(1);
// After so long without a head an instance is shown as silent.
inline constexpr absl::Duration kSilentAfter = absl::Seconds(5);

// A donor serves so many copies at once: each holds old rows on its disk.
inline constexpr int kCopiesMax = 2;
// Of a whole state. A donor that stalls is given up for another.
inline constexpr absl::Duration kCopyTimeout = absl::Minutes(30);

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_LIMITS_H_
