#include "tools/kmsctl/inspect_event_log.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kms/base/bytes.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/limits.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"
#include "policy/verifier/evidence_files.h"
#include "tools/kmsctl/inspect_rows.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;

std::string BankName(const event_log::Bank& bank) {
  const absl::string_view name = event_log::AlgorithmName(bank.algorithm);
  if (!name.empty()) return std::string(name);
  return absl::StrCat("0x", absl::Hex(bank.algorithm, absl::kZeroPad4));
}

// The bank by which texts are tried: the longest digest that we can make.
size_t StrongestBank(const event_log::EventLog& log) {
  size_t best = 0;
  for (size_t i = 0; i < log.banks.size(); ++i) {
    if (!event_log::CanReplay(log.banks[i])) continue;
    if (!event_log::CanReplay(log.banks[best]) ||
        log.banks[i].digest_bytes > log.banks[best].digest_bytes) {
      best = i;
    }
  }
  return best;
}

Json EventJson(const event_log::EventLog& log, const event_log::Event& event,
               size_t bank) {
  Json json;
  json["index"] = event.index;
  json["type"] = event_log::EventTypeName(event.type);
  json["digests"] = Json::object();
  for (size_t i = 0; i < log.banks.size(); ++i) {
    json["digests"][BankName(log.banks[i])] = Hex(event.digests[i]);
  }
  json["bytes"] = event.data.size();
  const std::string label = event_log::UnmeasuredLabel(event);
  if (!label.empty()) json["unmeasured_label"] = label;
  if (event.type == event_log::kEvNoAction ||
      !event_log::CanReplay(log.banks[bank])) {
    return json;
  }
  const auto algorithm =
      static_cast<event_log::Algorithm>(log.banks[bank].algorithm);
  const auto measured = event_log::FindMeasured(event, algorithm, bank);
  json["data_measured"] = measured.has_value();
  if (!measured.has_value()) return json;
  if (!measured->text.empty()) json["text"] = measured->text;
  if (measured->value.has_value() &&
      measured->value->size() <= event_log::kClaimedValueBytesMax) {
    json["value"] = Hex(*measured->value);
  }
  return json;
}

// One line of a terminal, whatever the log's author put there.
std::string OneLine(const std::string& text) {
  constexpr size_t kLineMax = 120;
  const std::string line = absl::Utf8SafeCHexEscape(text);
  if (line.size() <= kLineMax) return line;
  size_t end = kLineMax;
  while (end > 0 && (static_cast<uint8_t>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

}  // namespace

Json EventLogJson(const event_log::EventLog& log) {
  Json json;
  json["registers"] = Json::object();
  for (size_t i = 0; i < log.banks.size(); ++i) {
    if (!event_log::CanReplay(log.banks[i])) continue;
    Json& registers = json["registers"][BankName(log.banks[i])];
    registers = Json::object();
    for (const auto& [reg, value] : event_log::Replay(log, i)) {
      registers[std::to_string(reg)] = Hex(value);
    }
  }
  json["crypto_agile"] = log.crypto_agile;
  if (log.startup_locality.has_value()) {
    json["startup_locality"] = *log.startup_locality;
  }
  const size_t bank = StrongestBank(log);
  json["events"] = Json::array();
  for (const event_log::Event& event : log.events) {
    json["events"].push_back(EventJson(log, event, bank));
  }
  return json;
}

std::string EventLogText(const event_log::EventLog& log) {
  const Json picture = EventLogJson(log);
  std::string out;
  for (const auto& [bank, registers] : picture["registers"].items()) {
    absl::StrAppend(&out, bank, "\n");
    for (const auto& [reg, value] : registers.items()) {
      absl::StrAppendFormat(&out, "  %3s  %s\n", reg, value.get<std::string>());
    }
  }
  if (log.startup_locality.has_value()) {
    absl::StrAppendFormat(&out,
                          "startup locality %d: register 0 starts from it\n",
                          *log.startup_locality);
  }
  absl::StrAppendFormat(&out, "\n%-4s %-3s %-34s %s\n", "", "reg", "type",
                        "\"measured text\", or (a label nobody measured)");
  int number = 0;
  for (const Json& event : picture["events"]) {
    std::string text;
    if (event.contains("text")) {
      text = absl::StrCat("\"", OneLine(event["text"]), "\"");
    } else if (event.contains("unmeasured_label")) {
      text = absl::StrCat("(", OneLine(event["unmeasured_label"]), ")");
    }
    if (event.contains("value")) {
      absl::StrAppend(&text, " = ", OneLine(event["value"]));
    }
    absl::StrAppendFormat(&out, "%4d %3u %-34s %s\n", number++,
                          event["index"].get<unsigned>(),
                          event["type"].get<std::string>(), text);
  }
  return out;
}

void ShowEventLog(const v1::Evidence& evidence, std::string& out) {
  const std::string* const file = policy::FindFile(evidence, "event_log");
  if (file == nullptr) return;
  const auto log = event_log::Parse(AsBytes(*file));
  if (!log.ok()) {
    Row("event log", log.status().message(), out);
    return;
  }
  absl::StrAppend(&out, "\nevent log, replayed\n", EventLogText(*log));
}

}  // namespace kms::kmsctl
