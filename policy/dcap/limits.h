// Bounds on what a sender may offer with a DCAP quote.
#ifndef POLICY_DCAP_LIMITS_H_
#define POLICY_DCAP_LIMITS_H_

#include <cstddef>

#include "policy/formats/json.h"

namespace kms::dcap {

// A quote is about 5 KiB; the kernel and hypervisors hand it out in buffers of
// up to 32 KiB, padded.
inline constexpr size_t kQuoteBytesMax = 64 * 1024;

// Intel's quoting enclaves put 32 bytes there.
inline constexpr size_t kQeAuthDataBytesMax = 1024;

// A TCB info is under 8 KiB, a QE identity under 2 KiB. Each new TCB recovery
// adds a level of 1 KiB. Real ones nest to six, and have under 1,000 values.
inline constexpr formats::JsonBounds kJsonBounds = {
    .bytes_max = 128 * 1024, .depth_max = 8, .values_max = 16384};

// Levels, module identities, advisories of one level. Real ones: under 20.
inline constexpr size_t kTcbLevelsMax = 256;
inline constexpr size_t kModuleIdentitiesMax = 64;
inline constexpr size_t kAdvisoriesMax = 256;
inline constexpr size_t kAdvisoryBytesMax = 64;

// Everything together, an event log of up to 1 MiB included. What a sender
// adds, we hash and parse before we know who he is.
inline constexpr size_t kEvidenceBytesMax = 1536 * 1024;

}  // namespace kms::dcap

#endif  // POLICY_DCAP_LIMITS_H_
