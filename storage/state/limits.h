// Every bound of the replicated state, with its reason. Apply enforces them:
// they are part of what a command means, so changing one is a change of
// feature level.
#ifndef STORAGE_STATE_LIMITS_H_
#define STORAGE_STATE_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace kms::storage {

// The levels this build speaks. The state's own level is in its header.
inline constexpr uint32_t kFeatureLevelMin = 1;
inline constexpr uint32_t kFeatureLevelMax = 2;

// What came with each level. Below it the state refuses such a command, so
// that an instance which does not know it never meets it.
// 2: collateral, deny lists, kill switches; anchors with a use, or of a bare
// key; joining, removing and unfencing instances.
inline constexpr uint32_t kFeatureLevelCollateral = 2;
inline constexpr uint32_t kFeatureLevelCluster = 2;
// 2 too: wrapping keys, minimum versions, labels, artifact digests, schedules.
inline constexpr uint32_t kFeatureLevelKeys = 2;
// 2 too: states of policy versions, shadows, bounds on outstanding leases.
inline constexpr uint32_t kFeatureLevelPolicies = 2;
inline constexpr uint32_t kFeatureLevelSeals = 2;  // A record of rekeys.

// A batch is decided whole: bounds the time and memory of one Apply.
inline constexpr size_t kCommandsPerBatchMax = 4096;

// One object in state (review.md 35), and a command that carries one.
inline constexpr size_t kObjectBytesMax = size_t{512} << 10;
inline constexpr size_t kCommandBytesMax = kObjectBytesMax + (size_t{16} << 10);

inline constexpr size_t kApprovalsMax = 16;
inline constexpr size_t kApproversMax = 16;

// Names go into log lines, URLs and file names.
inline constexpr size_t kKeyNameBytesMax = 128;
inline constexpr size_t kPolicyNameBytesMax = 64;
inline constexpr size_t kAnchorNameBytesMax = 64;
inline constexpr size_t kNamespaceBytesMax = 64;
inline constexpr size_t kPrincipalBytesMax = 256;  // A certificate's name.
inline constexpr size_t kReasonBytesMax = 256;
inline constexpr size_t kSealKindBytesMax = 32;  // "development".
inline constexpr size_t kDescriptionBytesMax = 1024;

// Under an hour nobody notices in time; over a year nobody remembers.
inline constexpr int64_t kDestructionWaitUsMin = 3'600'000'000;
inline constexpr int64_t kDestructionWaitUsMax =
    366 * 24 * kDestructionWaitUsMin;
inline constexpr int64_t kRotationPeriodUsMin = 3'600'000'000;
inline constexpr int64_t kRotationPeriodUsMax =
    3660 * 24 * kRotationPeriodUsMin;
// Destructions fired by one batch; the rest by the next.
inline constexpr size_t kDestructionsPerBatchMax = 64;

inline constexpr int kLabelsMax = 32;
inline constexpr size_t kLabelNameBytesMax = 64;
inline constexpr size_t kLabelValueBytesMax = 256;

// The largest Secret and the envelope's overhead, rounded up.
inline constexpr size_t kMaterialBytesMax = (size_t{64} << 10) + 256;

// A key's record lists its versions and every release reads it: at a rotation
// a day, almost three years.
inline constexpr uint32_t kKeyVersionsPerKeyMax = 1000;
inline constexpr uint32_t kPolicyVersionsMax = 10000;

// Sets of Reference Values. Those that a policy names are read with it, all
// versions that have not ended.
inline constexpr uint32_t kReferenceSetsMax = 1024;
inline constexpr uint32_t kReferenceVersionsMax = 10000;
inline constexpr int kReferenceCurrentMax = 4;  // An upgrade, and room for one.
inline constexpr int kReferenceValuesMax = 4096;
inline constexpr size_t kReferenceValueBytesMax = 1024;
inline constexpr size_t kReferenceNameBytesMax = 64;
inline constexpr size_t kReferenceFormatBytesMax = 32;
inline constexpr size_t kReferenceTitleBytesMax = 256;
// That one release names: 8 sets of 4 versions.
inline constexpr int kReferenceUsesMax = 32;

// Outstanding leases that a policy may ask to be counted: one row of 16 KiB,
// which every release under it rewrites.
inline constexpr uint32_t kConcurrentMax = 1024;

inline constexpr size_t kPolicySourceBytesMax = size_t{64} << 10;
inline constexpr size_t kAnchorBytesMax = size_t{16} << 10;
inline constexpr uint32_t kAnchorsMax = 256;  // Every appraisal reads all.

// Collateral: TCB information of every FMSPC there is and some years of
// manifests. Every instance holds it in memory to appraise with, and for a
// moment twice when the generation moves.
inline constexpr uint32_t kCollateralMax = 2048;
inline constexpr uint64_t kCollateralTotalBytesMax = uint64_t{64} << 20;
inline constexpr size_t kCollateralRoleBytesMax = 64;
inline constexpr size_t kCollateralSubjectBytesMax = 256;
inline constexpr size_t kCollateralTitleBytesMax = 256;
// RFC 5280 allows a CRL number 20 octets, and some CAs take a sign more.
inline constexpr size_t kCollateralNumberBytesMax = 21;

// A list is one row and one command: 256 KiB at most.
inline constexpr int kDenyListEntriesMax = 4096;
inline constexpr size_t kDenyListEntryBytesMax = 64;  // An SNP chip id's.
// Bounds the rows of families that are keyed by a type of Evidence.
inline constexpr uint32_t kEvidenceTypeMax = 255;

inline constexpr uint32_t kInstancesMax = 64;  // Each speaks with each.
// With those removed, which are remembered for ever: every batch looks at all.
inline constexpr uint32_t kInstancesEverMax = 1024;

// The policy, of namespace "default", that admits instances.
inline constexpr char kJoinPolicyName[] = "cluster-join";

inline constexpr int64_t kSecondUs = 1'000'000;
inline constexpr int64_t kMinuteUs = 60 * kSecondUs;
inline constexpr int64_t kHourUs = 60 * kMinuteUs;
inline constexpr int64_t kDayUs = 24 * kHourUs;
inline constexpr int64_t kLeaseUsMax = 30 * kDayUs;
inline constexpr int64_t kQuotaWindowUsMax = 366 * kDayUs;

// The end of the year 9999: keeps every sum of two times within int64.
inline constexpr int64_t kClockUsMax = 253'402'300'799 * kSecondUs;

// With one clock nothing contradicts it: a jump over this is recorded.
inline constexpr int64_t kClockJumpUs = kHourUs;

// Batches may name a state this many entries old (review.md 3).
inline constexpr uint64_t kDigestWindow = 4096;

// Challenges live for minutes. Bounds how long one spent row can stay.
inline constexpr int64_t kChallengeLifetimeUsMax = kHourUs;

// Five minutes of 1,000 releases a second make 300,000 rows; three times that.
// A full set refuses releases; it never forgets (review.md 38).
inline constexpr uint64_t kSpentChallengesMax = 1'000'000;
// Expired ones deleted by one batch, beside one for each of its commands.
inline constexpr size_t kSpentPrunedPerBatchMin = 256;

// Refused leaves a key and minute of log time: a refused workload that tries
// again and again must not grow the replicated log.
inline constexpr uint64_t kRefusalLeavesPerKeyMinute = 60;
inline constexpr int kFailedRulesMax = 32;
inline constexpr size_t kFailedRuleBytesMax = 64;
// Of a shadow's verdict, which shares a leaf with the verdict itself.
inline constexpr int kShadowRulesMax = 8;
inline constexpr int kRefusalCountsMax = 128;  // Over the codes there are.

// A leaf is proven and shipped whole.
inline constexpr size_t kLeafBytesMax = 8192;

inline constexpr size_t kSaltBytes = 16;
inline constexpr size_t kIdBytes = 16;
inline constexpr size_t kSha256Bytes = 32;
inline constexpr size_t kTranscriptBytes = 64;
inline constexpr size_t kEd25519KeyBytes = 32;

}  // namespace kms::storage

#endif  // STORAGE_STATE_LIMITS_H_
