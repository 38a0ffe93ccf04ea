#include "tools/kms_agent/config.h"

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "tools/client/outcome.h"

namespace kms::agent {
namespace {

using client::UsageError;

constexpr size_t kConfigBytesMax = 64 * 1024;
constexpr size_t kEndpointsMax = 16;

using Set = std::function<bool(const YAML::Node&)>;

Set Text(std::string& field) {
  return [&field](const YAML::Node& node) {
    if (!node.IsScalar()) return false;
    field = node.Scalar();
    return true;
  };
}

Set Number(uint32_t& field) {
  return [&field](const YAML::Node& node) {
    return node.IsScalar() && absl::SimpleAtoi(node.Scalar(), &field);
  };
}

Set List(std::vector<std::string>& field) {
  return [&field](const YAML::Node& node) {
    if (!node.IsSequence() || node.size() > kEndpointsMax) return false;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) return false;
      field.push_back(item.Scalar());
    }
    return true;
  };
}

using Fields = std::map<std::string, Set>;

absl::Status Fill(const YAML::Node& document, const Fields& fields) {
  if (!document.IsMap()) return UsageError("configuration: want a map");
  std::set<std::string> seen;
  for (const auto& entry : document) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const auto field = fields.find(name);
    const int line = entry.first.Mark().line + 1;
    if (field == fields.end()) {
      return UsageError(
          absl::StrCat("configuration line ", line, ": unknown field"));
    }
    if (!seen.insert(name).second) {
      return UsageError(absl::StrCat("configuration line ", line, ": ", name,
                                     " is there twice"));
    }
    if (!field->second(entry.second)) {
      return UsageError(absl::StrCat("configuration line ", line, ": ", name,
                                     " has a value of the wrong kind"));
    }
  }
  return absl::OkStatus();
}

absl::Status FillConfig(const YAML::Node& document, Config& config) {
  std::optional<YAML::Node> server;
  KMS_RETURN_IF_ERROR(
      Fill(document, {{"endpoints", List(config.endpoints)},
                      {"ca", Text(config.ca)},
                      {"cluster_id", Text(config.cluster_id)},
                      {"identity_key", Text(config.identity_key)},
                      {"namespace", Text(config.name_space)},
                      {"key", Text(config.key)},
                      {"version", Number(config.version)},
                      {"blob", Text(config.blob)},
                      {"artifact_digest", Text(config.artifact_digest)},
                      {"attester", Text(config.attester)},
                      {"attester_command", Text(config.attester_command)},
                      {"attester_timeout", Text(config.attester_timeout)},
                      {"output", Text(config.output)},
                      {"receipt", Text(config.receipt)},
                      {"retry_for", Text(config.retry_for)},
                      {"server_evidence", [&server](const YAML::Node& node) {
                         server.emplace(node);
                         return node.IsMap();
                       }}}));
  if (!server.has_value()) return absl::OkStatus();
  KMS_RETURN_IF_ERROR(Fill(
      *server, {{"policy", Text(config.server.policy)},
                {"anchors", List(config.server.anchors)},
                {"simulated_anchors", List(config.server.simulated_anchors)}}));
  // Who writes it down wants something proven.
  return config.server.policy.empty()
             ? UsageError("server_evidence: want a policy")
             : absl::OkStatus();
}

absl::StatusOr<std::string> Pin(const std::string& hex, size_t bytes,
                                absl::string_view field) {
  const absl::StatusOr<std::string> value = Unhex(hex);
  if (!value.ok() || value->size() != bytes) {
    return UsageError(absl::StrCat(field, ": want ", bytes * 2, " hex digits"));
  }
  return *value;
}

absl::StatusOr<absl::Duration> Wait(const std::string& text,
                                    absl::string_view field) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) ||
      duration <= absl::ZeroDuration() || duration > absl::Hours(24)) {
    return UsageError(absl::StrCat(
        field, ": want a duration such as 30s or 5m, at most 24h"));
  }
  return duration;
}

}  // namespace

absl::StatusOr<Config> ParseConfig(absl::string_view yaml) {
  if (yaml.size() > kConfigBytesMax) {
    return UsageError(absl::StrCat("configuration: ", yaml.size(),
                                   " bytes, at most ", kConfigBytesMax));
  }
  Config config;
  try {
    KMS_RETURN_IF_ERROR(FillConfig(YAML::Load(std::string(yaml)), config));
  } catch (const YAML::Exception& error) {
    return UsageError(
        absl::StrCat("configuration line ", error.mark.line + 1, ": not YAML"));
  }
  return config;
}

absl::StatusOr<Plan> Resolve(const Config& config) {
  Plan plan;
  plan.config = config;
  KMS_ASSIGN_OR_RETURN(plan.cluster_id,
                       Pin(config.cluster_id, 16, "cluster_id"));
  KMS_ASSIGN_OR_RETURN(plan.identity_public_key,
                       Pin(config.identity_key, 32, "identity_key"));
  if (!config.artifact_digest.empty()) {
    KMS_ASSIGN_OR_RETURN(plan.artifact_digest,
                         Pin(config.artifact_digest, 32, "artifact_digest"));
  }
  KMS_ASSIGN_OR_RETURN(plan.attester.timeout,
                       Wait(config.attester_timeout, "attester_timeout"));
  KMS_ASSIGN_OR_RETURN(plan.retry_for, Wait(config.retry_for, "retry_for"));
  if (config.server.policy.empty() &&
      !(config.server.anchors.empty() &&
        config.server.simulated_anchors.empty())) {
    return UsageError("server_evidence: anchors without a policy");
  }
  plan.server = config.server;
  plan.server.cluster_id = plan.cluster_id;
  plan.server.identity_public_key = plan.identity_public_key;
  if (config.key.empty()) return UsageError("key: want the key's name");
  if (config.output.empty()) return UsageError("output: want a destination");
  if (config.attester.empty() == config.attester_command.empty()) {
    return UsageError("want one of attester and attester_command");
  }
  plan.attester.built_in = config.attester;
  plan.attester.command = config.attester_command;
  if (!config.attester.empty() && !attester::IsBuiltIn(config.attester)) {
    return UsageError("attester: the built-in ones are sev-snp and tdx");
  }
  if (!config.attester_command.empty() && config.attester_command[0] != '/') {
    return UsageError("attester_command: want an absolute path");
  }
  return plan;
}

}  // namespace kms::agent
