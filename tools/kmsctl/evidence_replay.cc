#include "tools/kmsctl/evidence_replay.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/event_types.h"
#include "policy/event_log/limits.h"
#include "policy/event_log/measured.h"
#include "policy/event_log/replay.h"
#include "tools/client/file.h"
#include "tools/kmsctl/exit_codes.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;

// Longer files are refused by the parser, and much longer ones not even read.
constexpr size_t kReadMax = 16 * event_log::kLogBytesMax;

struct Options {
  std::string log;
  std::string output = "text";
};

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

Json LogJson(const event_log::EventLog& log) {
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

// One line of a terminal, whatever the log's author put there.
std::string OneLine(const std::string& text) {
  constexpr size_t kLineMax = 120;
  const std::string line = absl::Utf8SafeCHexEscape(text);
  if (line.size() <= kLineMax) return line;
  size_t end = kLineMax;
  while (end > 0 && (static_cast<uint8_t>(line[end]) & 0xc0) == 0x80) --end;
  return line.substr(0, end) + "...";
}

void PrintTable(const Json& log) {
  for (const auto& [bank, registers] : log["registers"].items()) {
    std::printf("%s\n", bank.c_str());
    for (const auto& [reg, value] : registers.items()) {
      std::printf("  %3s  %s\n", reg.c_str(), value.get<std::string>().c_str());
    }
  }
  if (log.contains("startup_locality")) {
    std::printf("startup locality %d: register 0 starts from it\n",
                log["startup_locality"].get<int>());
  }
  std::printf("\n%-4s %-3s %-34s %s\n", "", "reg", "type",
              "\"measured text\", or (a label that nobody measured)");
  int number = 0;
  for (const Json& event : log["events"]) {
    std::string text;
    if (event.contains("text")) {
      text = absl::StrCat("\"", OneLine(event["text"]), "\"");
    } else if (event.contains("unmeasured_label")) {
      text = absl::StrCat("(", OneLine(event["unmeasured_label"]), ")");
    }
    if (event.contains("value")) {
      absl::StrAppend(&text, " = ", OneLine(event["value"]));
    }
    std::printf("%4d %3u %-34s %s\n", number++, event["index"].get<unsigned>(),
                event["type"].get<std::string>().c_str(), text.c_str());
  }
}

int PrintRefusal(const absl::Status& status, bool json) {
  const std::string code = RefusalName(RefusalOf(status));
  const std::string reason(status.message());
  if (json) {
    const Json result = {
        {"replayed", false}, {"code", code}, {"reason", reason}};
    std::printf("%s\n", result.dump(2).c_str());
  } else {
    std::printf("refused: %s: %s\n", code.c_str(), reason.c_str());
  }
  return kExitRefused;
}

int Run(const Options& options) {
  const auto bytes = client::ReadFile(options.log, kReadMax);
  if (!bytes.ok()) {
    std::fprintf(stderr, "kmsctl: %s\n",
                 std::string(bytes.status().message()).c_str());
    return kExitUsage;
  }
  const bool json = options.output == "json";
  const auto log = event_log::Parse(AsBytes(*bytes));
  if (!log.ok()) return PrintRefusal(log.status(), json);
  const Json picture = LogJson(*log);
  if (json) {
    std::printf("%s\n", picture.dump(2).c_str());
  } else {
    PrintTable(picture);
  }
  return kExitOk;
}

}  // namespace

void AddReplayCommand(CLI::App& evidence, std::optional<int>& exit_code) {
  CLI::App* replay = evidence.add_subcommand(
      "replay", "Show the registers that a firmware event log leads to");
  auto options = std::make_shared<Options>();
  replay->add_option("log", options->log, "A TCG event log or a CCEL")
      ->required();
  replay->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  replay->callback([options, &exit_code] { exit_code = Run(*options); });
}

}  // namespace kms::kmsctl
