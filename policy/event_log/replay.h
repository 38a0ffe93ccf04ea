// Replays a firmware event log: which register values it leads to.
// Source: TCG PFP 1.05, "PCR Extend"; TPM 2.0 Library part 1, "Extend":
// new = H(old || digest). EV_NO_ACTION is not measured.
// Thread-safe: free functions. Says nothing about whether hardware agrees.
#ifndef POLICY_EVENT_LOG_REPLAY_H_
#define POLICY_EVENT_LOG_REPLAY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "kms/base/bytes.h"
#include "policy/event_log/event_log.h"

namespace kms::event_log {

// By the number that the log gives them.
using Registers = std::map<uint32_t, std::string>;

// The value of every register that an event extends in `log.banks[bank]`, and
// of register 0 if the log states a startup locality.
// REQUIRES: CanReplay(log.banks[bank]).
Registers Replay(const EventLog& log, size_t bank);

// False for an algorithm that we do not have.
bool CanReplay(const Bank& bank);

// H(old || digest), where both have the bank's size. `algorithm` is one that
// Algorithm names.
std::string Extend(Algorithm algorithm, BytesView old_value, BytesView digest);

// What `reg` holds before anything is extended: zeros, but for register 0 of
// `log`, which starts at the locality of TPM2_Startup.
std::string InitialValue(const EventLog& log, uint32_t reg, size_t bytes);

// Digest of `data` in the bank's algorithm: SHA-1 too, so for display only.
std::string DigestOf(Algorithm algorithm, BytesView data);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_REPLAY_H_
