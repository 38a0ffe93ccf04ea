// Firmware event logs: what one says. Nobody has vouched for any of it yet.
//
// Source: TCG PC Client Platform Firmware Profile (PFP) 1.05, section 10,
// "Event Logging"; CCEL: Intel, "Guest-Host-Communication Interface (GHCI) for
// Intel TDX", section "CCEL", the same format with measurement registers in
// place of PCRs.
//
//   log          = sha1-event* padding           // "plain", before TPM 2.0
//                | header event* padding         // "crypto agile"
//   sha1-event   = index u32 | type u32 | digest 20 | size u32 | data
//   header       = sha1-event of EV_NO_ACTION whose data is
//     "Spec ID Event03\0" | class u32 | minor u8 | major u8 | errata u8 |
//     uintn u8 | count u32 | (algorithm u16 | size u16)* | vendor u8 | bytes
//   event        = index u32 | type u32 | count u32 |
//                  (algorithm u16 | digest)* | size u32 | data
//   padding      = 00* | ff*                     // all little-endian
//
// Thread-safe: free functions over their arguments. Not here: whether the log
// belongs to registers that hardware signed (match.h).
#ifndef POLICY_EVENT_LOG_EVENT_LOG_H_
#define POLICY_EVENT_LOG_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::event_log {

// Views alias the bytes that were parsed, which must outlive this.
struct Event {
  // A PCR, or in a CCEL a measurement register: 0 is MRTD, 1 to 4 are RTMR0
  // to RTMR3. Events of EV_NO_ACTION may say anything.
  uint32_t index = 0;
  uint32_t type = 0;
  // One for each of the log's algorithms, in their order.
  absl::InlinedVector<BytesView, 4> digests = {};
  BytesView data = {};
};

// Source: TCG Algorithm Registry. Those that are not named here are carried,
// and never replayed.
enum class Algorithm : uint16_t {
  kSha1 = 0x0004,
  kSha256 = 0x000b,
  kSha384 = 0x000c,
  kSha512 = 0x000d,
};

struct Bank {
  uint16_t algorithm = 0;
  size_t digest_bytes = 0;
};

struct EventLog {
  bool crypto_agile = false;
  std::vector<Bank> banks;
  std::vector<Event> events;  // Without the crypto-agile header.
  // The locality of TPM2_Startup, 0, 3 or 4, if an event states it. It is
  // PCR 0's initial value.
  std::optional<uint8_t> startup_locality;

  // The index of `algorithm` in `banks` and in every event's digests.
  std::optional<size_t> FindBank(Algorithm algorithm) const;
};

// "sha256"; empty for an algorithm that Algorithm does not name.
absl::string_view AlgorithmName(uint16_t algorithm);

// EVIDENCE_MALFORMED if `bytes` is no log as above, is over a bound of
// limits.h, has an event that lacks a digest of some bank or has one twice, or
// states a startup locality twice, out of range or after PCR 0 was extended.
// EVIDENCE_UNSUPPORTED for another major version of the header.
absl::StatusOr<EventLog> Parse(BytesView bytes);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_EVENT_LOG_H_
