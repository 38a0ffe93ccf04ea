#include "tools/kmsctl/collateral_verify.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/collateral/limits.h"
#include "policy/collateral/verify.h"
#include "policy/verifier/verifier.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/anchor_files.h"
#include "tools/kmsctl/exit_codes.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;
using Verified = absl::StatusOr<std::vector<policy::VerifiedCollateral>>;

struct Options {
  std::string kind;
  std::vector<std::string> files;
  std::string at;
  std::vector<std::string> anchors;
  std::vector<std::string> simulated_anchors;
  std::string output = "text";
};

// What stands on the command line, ready to verify.
struct Request {
  policy::CollateralKind kind;
  std::vector<std::string> files;
  absl::Time at;
  policy::TrustAnchors anchors;
};

absl::StatusOr<Request> Prepare(const Options& options) {
  const std::optional<policy::CollateralKind> kind =
      policy::CollateralKindNamed(options.kind);
  if (!kind.has_value()) {
    return client::UsageError(
        absl::StrCat("kind: want one of ", CollateralKindsText()));
  }
  std::vector<std::string> files;
  for (const std::string& path : options.files) {
    // One byte over the bound is enough for the verifier to refuse the file.
    KMS_ASSIGN_OR_RETURN(
        std::string content,
        client::ReadFile(path, policy::kCollateralFileBytesMax + 1));
    files.push_back(std::move(content));
  }
  absl::Time at = SystemClock().Now();
  std::string error;
  if (!options.at.empty() &&
      !absl::ParseTime(absl::RFC3339_full, options.at, &at, &error)) {
    return client::UsageError("--at: not an RFC 3339 time");
  }
  KMS_ASSIGN_OR_RETURN(policy::TrustAnchors anchors,
                       LoadAnchors(options.anchors, options.simulated_anchors));
  return Request{*kind, std::move(files), at, std::move(anchors)};
}

std::string TimeOrDash(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) {
    return "-";
  }
  return TimeText(absl::ToUnixMicros(time));
}

// Null for none; a number where it fits, as nearly all do; else hex.
Json NumberJson(const std::string& number) {
  if (number.empty()) return nullptr;
  if (number.size() > sizeof(uint64_t)) return Hex(number);
  uint64_t value = 0;
  for (const char c : number) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

Json ItemJson(const policy::CollateralFacts& facts) {
  Json json;
  json["role"] = facts.item.role;
  json["subject"] = facts.item.subject;
  json["title"] = facts.title;
  json["type"] = std::string(policy::EvidenceTypeName(facts.type));
  json["anchor"] = facts.anchor;
  json["simulated"] = facts.simulated;
  json["number"] = NumberJson(facts.number);
  json["issued"] = TimeOrDash(facts.issued);
  json["next_update"] = TimeOrDash(facts.next_update);
  json["digest"] = Hex(facts.item.digest);
  return json;
}

void PrintText(Context& context, const Json& result) {
  if (!result["verified"].get<bool>()) {
    context.out() << "refused at " << result["at"].get<std::string>() << ": "
                  << result["code"].get<std::string>() << ": "
                  << result["reason"].get<std::string>() << "\n";
    return;
  }
  context.out() << "verified at " << result["at"].get<std::string>() << "\n";
  for (const Json& item : result["items"]) {
    context.out() << item["role"].get<std::string>() << "\n";
    for (const auto& [key, value] : item.items()) {
      if (key == "role") continue;
      context.out() << "  " << key << std::string(13 - key.size(), ' ')
                    << (value.is_null()     ? "-"
                        : value.is_string() ? value.get<std::string>()
                                            : value.dump())
                    << "\n";
    }
  }
}

int Run(Context& context, const Options& options) {
  const absl::StatusOr<Request> request = Prepare(options);
  if (!request.ok()) {
    context.err() << "kmsctl: " << std::string(request.status().message())
                  << "\n";
    return kExitUsage;
  }
  const Verified verified = policy::VerifyCollateral(
      request->kind, request->files,
      policy::VerifyInputs{.now = request->at, .anchors = request->anchors});
  Json result;
  result["verified"] = verified.ok();
  if (verified.ok()) {
    result["at"] = TimeOrDash(request->at);
    result["items"] = Json::array();
    for (const policy::VerifiedCollateral& item : *verified) {
      result["items"].push_back(ItemJson(item.facts()));
    }
  } else {
    result["code"] = RefusalName(RefusalOf(verified.status()));
    result["reason"] = std::string(verified.status().message());
    result["at"] = TimeOrDash(request->at);
  }
  if (options.output == "json") {
    context.out() << result.dump(2) << "\n";
  } else {
    PrintText(context, result);
  }
  return verified.ok() ? kExitOk : kExitRefused;
}

}  // namespace

std::string CollateralKindsText() {
  return absl::StrJoin(policy::CollateralKindNames(), ", ");
}

void AddCollateralVerifyCommand(CLI::App& collateral, Context& context) {
  CLI::App* verify = collateral.add_subcommand(
      "verify",
      "Verify files without a server: exit 0, or print the refusal and exit 3");
  auto options = std::make_shared<Options>();
  verify->add_option("kind", options->kind, CollateralKindsText())->required();
  verify
      ->add_option("files", options->files,
                   "the thing itself, its issuer chain, CRLs; in any order")
      ->required();
  verify->add_option("--at", options->at,
                     "Verify as of this RFC 3339 time; else now");
  verify
      ->add_option("--anchor", options->anchors,
                   "A further vendor root or key, named after its file")
      ->allow_extra_args(false);
  verify
      ->add_option("--simulated-anchor", options->simulated_anchors,
                   "A simulator's root")
      ->allow_extra_args(false);
  verify->add_option("-o,--output", options->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  verify->callback(
      [options, &context] { context.exit_code() = Run(context, *options); });
}

}  // namespace kms::kmsctl
