// Bounds on a firmware event log, which its sender may write as he likes.
#ifndef POLICY_EVENT_LOG_LIMITS_H_
#define POLICY_EVENT_LOG_LIMITS_H_

#include <cstddef>

namespace kms::event_log {

// Firmware sets aside 64 to 256 KiB; the largest real log of ours fills 45 KB.
inline constexpr size_t kLogBytesMax = 1024 * 1024;

// Real logs have up to 120, a verbose GRUB script some hundred more.
inline constexpr size_t kEventsMax = 4096;

// A TPM 2.0 has at most five banks in practice (SHA-1, SHA-2, SM3).
inline constexpr size_t kAlgorithmsMax = 8;
inline constexpr size_t kDigestBytesMax = 64;

// Claims are kept with every release: the first so many events of the
// registers that matched, and a text or value up to so many bytes.
inline constexpr size_t kClaimedEventsMax = 512;
inline constexpr size_t kClaimedTextBytesMax = 4096;
inline constexpr size_t kClaimedValueBytesMax = 256;

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_LIMITS_H_
