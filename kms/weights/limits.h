// Bounds of the weights format, each with its reason.
#ifndef KMS_WEIGHTS_LIMITS_H_
#define KMS_WEIGHTS_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace kms::weights {

// A segment is the least that can be read and authenticated. Below 64 KiB the
// table and the cost of each cipher call show; above 16 MiB a small read costs
// too much, and OpenSSL counts bytes in an int.
inline constexpr uint8_t kSegmentLog2Min = 16;
inline constexpr uint8_t kSegmentLog2Max = 24;
// A worker's buffer then stays in its core's second-level cache.
inline constexpr uint8_t kSegmentLog2Default = 18;

// The table is held in memory: at most 64 MiB of it.
inline constexpr uint64_t kSegmentCountMax = uint64_t{1} << 20;

// 16 TiB; sums of sizes and offsets stay far from 2^63.
inline constexpr uint64_t kPlaintextSizeMax = kSegmentCountMax
                                              << kSegmentLog2Max;

// A released key shorter than the AES key it becomes would weaken it; the
// service stores none longer.
inline constexpr size_t kDataKeySizeMin = 32;
inline constexpr size_t kDataKeySizeMax = 4096;

// Threads of one encryption, decryption or verification.
inline constexpr unsigned kThreadsMax = 256;

}  // namespace kms::weights

#endif  // KMS_WEIGHTS_LIMITS_H_
