// Firmware event logs: what one means, once hardware has signed the registers
// that it leads to.
//
// A matching replay proves the digests of each register and their order,
// nothing else. Types, names and texts are the sender's words. So a text is
// believed only where it is itself what was measured (measured.h), and a label
// only where no other event of its register could bear it.
//
// Thread-safe: free functions over their arguments.
#ifndef POLICY_EVENT_LOG_MATCH_H_
#define POLICY_EVENT_LOG_MATCH_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "kms/crypto/hash.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/format.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::event_log {

// What `log` means to who has seen `signed_registers` (PCR or RTMR number ->
// HashSize(hash) bytes) signed by hardware. There is no way to ask for SHA-1.
//
// Each signed register falls under one rule:
//   - The log extends it: the replay must give its value.
//   - The log does not: it must be at its initial value, because whoever cuts
//     all events of a register out hides what was measured.
//   - Software extends it at run time, after firmware's log is closed: PCR 10
//     (IMA), 11 and 15 (systemd), 16 to 23, RTMR3. Such a register is left out
//     of the Claims if the log does not lead to its value, not refused. For
//     PCR 11 the log may go on with systemd-pcrphase's words: the phase.
// Events of registers that were not signed are not claimed. Every PCR of 0 to
// 7 that the log extends must have its separator: without it, nobody can tell
// what firmware measured from what came after (PFP, EV_SEPARATOR).
//
//   EVIDENCE_UNSUPPORTED   the log has no digests of `hash`
//   EVIDENCE_MALFORMED     an event is for a register that `format` does not
//                          have
//   EVIDENCE_INCONSISTENT  a rule above is broken, or the variable SecureBoot
//                          is there twice
absl::StatusOr<v1::EventLogClaims> MatchRegisters(
    const EventLog& log, crypto::Hash hash, Format format,
    const std::map<uint32_t, std::string>& signed_registers);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_MATCH_H_
