// Properties: no crash; a log that parses says the same after it was written
// again; and it matches the registers that it replays to, unless it breaks a
// rule about their use.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/log_writer.h"
#include "policy/event_log/match.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"

namespace kms::event_log {
namespace {

void CheckWrittenAgain(const EventLog& log) {
  std::vector<Algorithm> algorithms;
  for (const Bank& bank : log.banks) {
    if (!CanReplay(bank)) return;
    algorithms.push_back(static_cast<Algorithm>(bank.algorithm));
  }
  LogWriter writer(algorithms);
  for (const Event& event : log.events) writer.Add(event);
  const auto again = Parse(AsBytes(writer.bytes()));
  if (!again.ok() || again->events.size() != log.events.size() ||
      again->startup_locality != log.startup_locality) {
    std::abort();
  }
  for (size_t i = 0; i < log.events.size(); ++i) {
    const Event& a = log.events[i];
    const Event& b = again->events[i];
    if (a.index != b.index || a.type != b.type || a.digests != b.digests ||
        a.data != b.data) {
      std::abort();
    }
  }
}

void CheckMatches(const EventLog& log, Format format) {
  const auto bank = log.FindBank(Algorithm::kSha256);
  if (!bank.has_value()) return;
  std::map<uint32_t, std::string> registers;
  for (const auto& [reg, value] : Replay(log, *bank)) {
    registers[reg - LoggedIndex(format, 0)] = value;
  }
  const auto claims =
      MatchRegisters(log, crypto::Hash::kSha256, format, registers);
  if (claims.ok()) {
    if (static_cast<size_t>(claims->registers_size()) != registers.size() ||
        !claims->IsInitialized() || claims->SerializeAsString().empty()) {
      std::abort();
    }
  } else if (RefusalOf(claims.status()) != v1::EVIDENCE_MALFORMED &&
             RefusalOf(claims.status()) != v1::EVIDENCE_INCONSISTENT) {
    std::abort();
  }
}

}  // namespace
}  // namespace kms::event_log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kms::event_log;
  const auto log = Parse({data, size});
  if (!log.ok()) return 0;
  CheckWrittenAgain(*log);
  for (size_t bank = 0; bank < log->banks.size(); ++bank) {
    if (!CanReplay(log->banks[bank])) continue;
    const auto algorithm = static_cast<Algorithm>(log->banks[bank].algorithm);
    Replay(*log, bank);
    for (const Event& event : log->events) {
      FindMeasured(event, algorithm, bank);
      UnmeasuredLabel(event);
    }
  }
  CheckMatches(*log, Format::kTcg);
  CheckMatches(*log, Format::kCcel);
  return 0;
}
