#include "tools/kmsctl/evidence.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "kms/base/clock.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/bundle/bundle.h"
#include "policy/verifier/verifier.h"
#include "tools/kmsctl/anchor_files.h"
#include "tools/kmsctl/evidence_inspect.h"
#include "tools/kmsctl/evidence_replay.h"
#include "tools/kmsctl/exit_codes.h"

namespace kms::kmsctl {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
  std::string bundle;
  std::string at;
  std::vector<std::string> anchors;
  std::vector<std::string> simulated_anchors;
  std::string output = "text";
};

// What stands on the command line and in bundle.json, ready to verify.
struct Request {
  v1::EvidenceBundle bundle;
  std::optional<std::string> report_data;
  absl::Time at;
  policy::TrustAnchors anchors;
};

absl::StatusOr<std::string> ReadFile(const fs::path& path) {
  // One byte over the bound is enough for the verifier to refuse the file.
  constexpr size_t kReadMax = policy::kEvidenceFileBytesMax + 1;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return absl::NotFoundError(absl::StrCat(path.string(), ": no such file"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string content(kReadMax, '\0');
  file.read(content.data(), static_cast<std::streamsize>(kReadMax));
  if (file.bad() || (file.fail() && !file.eof())) {
    return absl::NotFoundError(absl::StrCat(path.string(), ": cannot read"));
  }
  content.resize(static_cast<size_t>(file.gcount()));
  return content;
}

absl::StatusOr<Request> Prepare(const Options& options) {
  const fs::path path(options.bundle);
  KMS_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  KMS_ASSIGN_OR_RETURN(const policy::BundleIndex index,
                       policy::ParseBundleIndex(json));
  KMS_ASSIGN_OR_RETURN(
      v1::EvidenceBundle bundle,
      policy::LoadBundle(index, [&path](const std::string& name) {
        return ReadFile(path.parent_path() / name);
      }));
  absl::Time at = index.verify_at.value_or(SystemClock().Now());
  if (!options.at.empty()) {
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, options.at, &at, &error)) {
      return absl::InvalidArgumentError("--at: not an RFC 3339 time");
    }
  }
  KMS_ASSIGN_OR_RETURN(policy::TrustAnchors trusted,
                       LoadAnchors(options.anchors, options.simulated_anchors));
  return Request{.bundle = std::move(bundle),
                 .report_data = index.report_data,
                 .at = at,
                 .anchors = std::move(trusted)};
}

absl::StatusOr<v1::Claims> VerifyRequest(const Request& request) {
  KMS_ASSIGN_OR_RETURN(
      v1::Claims claims,
      policy::VerifyBundle(request.bundle,
                           {.now = request.at, .anchors = request.anchors}));
  if (request.report_data.has_value()) {
    KMS_RETURN_IF_ERROR(
        policy::CheckReportData(claims, AsBytes(*request.report_data)));
  }
  return claims;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

// Firmware logs and certificates choose some of this text: nothing in it shall
// move the cursor or forge a line.
std::string Text(const Json& value) {
  return value.is_string() ? absl::CEscape(value.get<std::string>())
                           : value.dump();
}

// One event, one file of collateral: a line of what it says.
std::string Line(const Json& object) {
  std::string line;
  for (const auto& [key, value] : object.items()) {
    if (value.empty() || Text(value).empty()) continue;
    absl::StrAppend(&line, line.empty() ? "" : "  ", key, " ", Text(value));
  }
  return line;
}

void PrintTree(const Json& json, int indent) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      std::printf("%*s%s:\n", indent, "", key.c_str());
      PrintTree(value, indent + 2);
    } else if (value.is_array() && !value.empty() && value[0].is_object()) {
      // A device is worth a tree of its own; the rest are many and short.
      const bool deep = key == "gpus";
      for (const Json& element : value) {
        std::printf("%*s%s:%s%s\n", indent, "", key.c_str(), deep ? "" : " ",
                    deep ? "" : Line(element).c_str());
        if (deep) PrintTree(element, indent + 2);
      }
    } else {
      std::printf("%*s%-28s %s\n", indent, "", key.c_str(),
                  Text(value).c_str());
    }
  }
}

int PrintVerdict(const absl::StatusOr<v1::Claims>& claims, absl::Time at,
                 bool json) {
  Json result;
  result["verified"] = claims.ok();
  if (claims.ok()) {
    result["at"] = TimeText(at);
    result["claims"] = ProtoToJson(*claims);
  } else {
    result["code"] = RefusalName(RefusalOf(claims.status()));
    result["reason"] = std::string(claims.status().message());
    result["at"] = TimeText(at);
  }
  if (json) {
    std::printf("%s\n", result.dump(2).c_str());
  } else if (claims.ok()) {
    std::printf("verified at %s\n", TimeText(at).c_str());
    PrintTree(result["claims"], 0);
  } else {
    std::printf("refused at %s: %s: %s\n", TimeText(at).c_str(),
                result["code"].get<std::string>().c_str(),
                result["reason"].get<std::string>().c_str());
  }
  return claims.ok() ? kExitOk : kExitRefused;
}

int Run(const Options& options, bool inspect) {
  const absl::StatusOr<Request> request = Prepare(options);
  if (!request.ok()) {
    std::fprintf(stderr, "kmsctl: %s\n",
                 std::string(request.status().message()).c_str());
    return kExitUsage;
  }
  if (inspect) std::fputs(InspectBundle(request->bundle).c_str(), stdout);
  return PrintVerdict(VerifyRequest(*request), request->at,
                      options.output == "json");
}

void AddOptions(CLI::App& command, Options& options, bool with_output) {
  command.add_option("bundle", options.bundle, "bundle.json")->required();
  command.add_option("--at", options.at,
                     "Verify as of this RFC 3339 time; else bundle.json's "
                     "verify_at, else now");
  command.add_option("--anchor", options.anchors,
                     "A further vendor root (PEM or DER), named after its "
                     "file");
  command.add_option("--simulated-anchor", options.simulated_anchors,
                     "A simulator's root; Claims say simulated: true");
  if (with_output) {
    command.add_option("-o,--output", options.output, "text or json")
        ->check(CLI::IsMember({"text", "json"}));
  }
}

}  // namespace

void AddEvidenceCommands(CLI::App& app, std::optional<int>& exit_code) {
  CLI::App* evidence = app.add_subcommand(
      "evidence", "Verify or show an evidence bundle, without a server");
  evidence->require_subcommand(1);

  CLI::App* verify = evidence->add_subcommand(
      "verify", "Print the Claims and exit 0, or the refusal and exit 3");
  auto verify_options = std::make_shared<Options>();
  AddOptions(*verify, *verify_options, /*with_output=*/true);
  verify->callback([verify_options, &exit_code] {
    exit_code = Run(*verify_options, /*inspect=*/false);
  });

  CLI::App* inspect = evidence->add_subcommand(
      "inspect", "Show what evidence and endorsements say, then the verdict");
  auto inspect_options = std::make_shared<Options>();
  AddOptions(*inspect, *inspect_options, /*with_output=*/false);
  inspect->callback([inspect_options, &exit_code] {
    exit_code = Run(*inspect_options, /*inspect=*/true);
  });

  AddReplayCommand(*evidence, exit_code);
}

}  // namespace kms::kmsctl
