#include "policy/event_log/match.h"

#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/event_log/claims.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

constexpr uint32_t kPcrCount = 24;
constexpr uint32_t kRtmrCount = 4;

absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT, absl::StrCat("event log: ", fault));
}

// Whether software goes on extending `reg` after the log was closed, in ways
// that no firmware log records. PCR 10: Linux IMA. PCR 11 and 15:
// systemd-pcrphase and systemd-pcrmachine. PCR 16 to 23: debug, dynamic root
// of trust, applications. RTMR3: left to the guest's applications.
bool IsRuntime(Format format, uint32_t reg) {
  if (format == Format::kCcel) return reg == 3;
  return reg == 10 || reg == 11 || reg >= 15;
}

Algorithm AlgorithmOf(crypto::Hash hash) {
  switch (hash) {
    case crypto::Hash::kSha256:
      return Algorithm::kSha256;
    case crypto::Hash::kSha384:
      return Algorithm::kSha384;
    case crypto::Hash::kSha512:
      break;
  }
  return Algorithm::kSha512;
}

// Every event must be for a register that the format has.
absl::Status CheckRegisters(const EventLog& log, Format format) {
  if (format == Format::kCcel && log.startup_locality.has_value()) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "event log: a startup locality, which a TD has not");
  }
  for (const Event& event : log.events) {
    if (event.type == kEvNoAction) continue;
    const bool good = format == Format::kTcg
                          ? event.index < kPcrCount
                          : event.index >= 1 && event.index <= kRtmrCount;
    if (!good) {
      return Refuse(v1::EVIDENCE_MALFORMED,
                    absl::StrCat("event log: an event for register ",
                                 event.index, ", which there is not"));
    }
  }
  return absl::OkStatus();
}

// systemd-pcrphase.service(8): what it measures into PCR 11 as the boot goes
// on, each word without a terminating zero; the first two in an initrd only.
constexpr uint32_t kPhasePcr = 11;
constexpr absl::string_view kPhases[] = {
    "enter-initrd", "leave-initrd", "sysinit", "ready", "shutdown", "final"};
constexpr size_t kFirstPhases[] = {0, 2};

// The last of the phases that lead from `replayed` to `value`; empty if none
// do.
absl::string_view FindPhase(Algorithm algorithm, const std::string& replayed,
                            const std::string& value) {
  for (size_t phase : kFirstPhases) {
    std::string reached = replayed;
    for (; phase < std::size(kPhases); ++phase) {
      reached = Extend(algorithm, AsBytes(reached),
                       AsBytes(DigestOf(algorithm, AsBytes(kPhases[phase]))));
      if (reached == value) return kPhases[phase];
    }
  }
  return "";
}

struct Matched {
  std::set<uint32_t> registers;
  absl::string_view phase;
};

// The registers that the log extends and leads to.
absl::StatusOr<Matched> Match(
    const EventLog& log, size_t bank, Format format,
    const std::map<uint32_t, std::string>& signed_registers) {
  const Registers replayed = Replay(log, bank);
  const size_t bytes = log.banks[bank].digest_bytes;
  const auto algorithm = static_cast<Algorithm>(log.banks[bank].algorithm);
  Matched matched;
  for (const auto& [reg, value] : signed_registers) {
    const uint32_t logged = LoggedIndex(format, reg);
    const auto found = replayed.find(logged);
    if (found != replayed.end() && found->second == value) {
      matched.registers.insert(reg);
    } else if (IsRuntime(format, reg)) {
      if (format != Format::kTcg || reg != kPhasePcr ||
          found == replayed.end()) {
        continue;
      }
      matched.phase = FindPhase(algorithm, found->second, value);
      if (!matched.phase.empty()) matched.registers.insert(reg);
    } else if (found != replayed.end()) {
      return Inconsistent(
          absl::StrCat("replayed, it does not give register ", reg));
    } else if (value != InitialValue(log, logged, bytes)) {
      return Inconsistent(
          absl::StrCat("no event for register ", reg, ", which was extended"));
    }
  }
  return matched;
}

}  // namespace

absl::StatusOr<v1::EventLogClaims> MatchRegisters(
    const EventLog& log, crypto::Hash hash, Format format,
    const std::map<uint32_t, std::string>& signed_registers) {
  const Algorithm algorithm = AlgorithmOf(hash);
  const std::optional<size_t> bank = log.FindBank(algorithm);
  if (!bank.has_value()) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  absl::StrCat("event log: no ",
                               AlgorithmName(static_cast<uint16_t>(algorithm)),
                               " digests"));
  }
  KMS_RETURN_IF_ERROR(CheckRegisters(log, format));
  KMS_ASSIGN_OR_RETURN(const Matched matched,
                       Match(log, *bank, format, signed_registers));
  KMS_ASSIGN_OR_RETURN(v1::EventLogClaims claims,
                       MakeClaims(log, algorithm, *bank, format,
                                  matched.registers, signed_registers));
  claims.set_boot_phase(std::string(matched.phase));
  return claims;
}

}  // namespace kms::event_log
