// The two kinds of registers that a firmware event log speaks of.
// Source: TCG PFP; Intel GHCI, "CCEL": measurement register 0 is MRTD, which
// nothing extends, and 1 to 4 are RTMR0 to RTMR3.
#ifndef POLICY_EVENT_LOG_FORMAT_H_
#define POLICY_EVENT_LOG_FORMAT_H_

#include <cstdint>

namespace kms::event_log {

enum class Format {
  kTcg,   // Registers are PCRs, 0 to 23.
  kCcel,  // Registers are RTMRs, 0 to 3; the log counts them from 1.
};

// The number that a log gives to register `reg`.
constexpr uint32_t LoggedIndex(Format format, uint32_t reg) {
  return format == Format::kCcel ? reg + 1 : reg;
}

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_FORMAT_H_
