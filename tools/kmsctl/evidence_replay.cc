#include "tools/kmsctl/evidence_replay.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/limits.h"
#include "tools/client/file.h"
#include "tools/kmsctl/exit_codes.h"
#include "tools/kmsctl/inspect_event_log.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;

// Longer files are refused by the parser, and much longer ones not even read.
constexpr size_t kReadMax = 16 * event_log::kLogBytesMax;

struct Options {
  std::string log;
  std::string output = "text";
};

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
  if (json) {
    std::printf("%s\n", EventLogJson(*log).dump(2).c_str());
  } else {
    std::fputs(EventLogText(*log).c_str(), stdout);
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
