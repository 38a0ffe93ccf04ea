// Bounds of what a workload may send, each with its reason.
#ifndef KMS_RELEASE_LIMITS_H_
#define KMS_RELEASE_LIMITS_H_

#include <cstddef>

namespace kms::release {

// A namespace, a key name and a version, with room to grow.
inline constexpr size_t kRequestBytesMax = 4096;

// A real TDX bundle with its event log is 286 KB, eight GPUs half a megabyte.
inline constexpr size_t kEvidenceBytesMax = size_t{4} << 20;

// As the state's own limit on names.
inline constexpr size_t kNameBytesMax = 128;

// Judgements of one request before APPRAISAL_STALE goes to the client.
inline constexpr int kAppraisalsMax = 3;

// Verified chains and collateral remembered. A machine's chain takes about 15
// KiB: some 8,000 machines.
inline constexpr size_t kVerifiedBytesMax = size_t{128} << 20;

// Keys remembered with their policies, until any key or policy changes: what a
// fleet starts with. One with a secret of ordinary size takes a few KiB.
inline constexpr size_t kKnownKeysMax = 1024;

// Rule ids in a refusal's leaf.
inline constexpr int kFailedRulesMax = 32;
inline constexpr int kShadowRulesMax = 8;

// Evidence deleted in one tick: a minute at 1,000 releases a second.
inline constexpr size_t kPrunedPerTickMax = 60'000;

}  // namespace kms::release

#endif  // KMS_RELEASE_LIMITS_H_
