#include "tools/kmsctl/context.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "tools/client/outcome.h"
#include "tools/client/proven_route.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;

std::string Scalar(const std::string& name, const Json& value) {
  if (absl::EndsWith(name, "_us") && value.is_number_integer()) {
    return TimeText(value.get<int64_t>());
  }
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// A server's text may not drive the terminal.
std::string Clean(std::string text) {
  for (char& c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  return text;
}

// Bytes that are not UTF-8 are replaced, where dump() would throw.
std::string JsonText(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

void PrintTree(std::ostream& out, const Json& json, const std::string& indent) {
  for (const auto& [name, value] : json.items()) {
    if (!value.is_structured()) {
      const std::string text = Scalar(name, value);
      if (!absl::StrContains(text, '\n')) {
        out << indent << name << ": " << Clean(text) << "\n";
        continue;
      }
      out << indent << name << ":\n";  // A note, say: one line each.
      for (const auto line :
           absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
        out << indent << "  " << Clean(std::string(line)) << "\n";
      }
    } else if (value.empty()) {
      out << indent << name << ": none\n";
    } else {
      out << indent << name << ":\n";
      PrintTree(out, value, indent + "  ");
    }
  }
}

absl::StatusOr<std::string> Pin(const std::string& hex, size_t bytes,
                                absl::string_view flag) {
  const absl::StatusOr<std::string> value = Unhex(hex);
  if (!value.ok() || value->size() != bytes) {
    return client::UsageError(
        absl::StrCat(flag, ": want ", bytes * 2,
                     " hex digits, as kmsctl init printed them"));
  }
  return *value;
}

absl::Status NotOneAddress() {
  return client::UsageError(
      "this command concerns one instance: give exactly one --address");
}

}  // namespace

std::string TimeText(int64_t unix_micros) {
  if (unix_micros == 0) return "-";
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ",
                          absl::FromUnixMicros(unix_micros),
                          absl::UTCTimeZone());
}

void Context::AddOptions(CLI::App& app) {
  app.add_option("--address", connection_.addresses,
                 "host:port of an instance; repeat for more (KMS_ADDRESS, "
                 "comma-separated)");
  app.add_option("--ca", connection_.ca_file,
                 "PEM file of the CA of the service (KMS_CA)");
  app.add_option("--cert", connection_.cert_file,
                 "PEM file of your certificate (KMS_CERT)");
  app.add_option("--key", connection_.key_file,
                 "PEM file of its private key (KMS_KEY)");
  app.add_option("--require-server-evidence", server_.policy,
                 "send nothing to a server before its own Evidence passes this "
                 "policy document")
      ->envname("KMS_REQUIRE_SERVER_EVIDENCE")
      ->check(CLI::ExistingFile);  // Also refuses "", an unset variable.
  app.add_option("--server-anchor", server_.anchors,
                 "for it, a further vendor root; repeat for more");
  app.add_option("--simulated-server-anchor", server_.simulated_anchors,
                 "for it, a simulator's root; repeat for more");
  app.add_option("--timeout", timeout_, "for one call, such as 10s");
  app.add_option("--cluster", cluster_, "pinned cluster id, hex")
      ->envname("KMS_CLUSTER");
  app.add_option("--identity", identity_, "pinned cluster identity key, hex")
      ->envname("KMS_IDENTITY");
  app.add_option("-o,--output", output_, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
}

int Context::Finish() {
  if (exit_code_.has_value()) return *exit_code_;
  client::PrintFailure("kmsctl", status_, err_);
  return static_cast<int>(client::ExitCodeOf(status_));
}

absl::Status Context::ReadConnection() {
  client::FillFromEnvironment(connection_);
  if (!absl::ParseDuration(timeout_, &connection_.call_timeout) ||
      connection_.call_timeout <= absl::ZeroDuration()) {
    return client::UsageError("--timeout: want a duration such as 10s");
  }
  return absl::OkStatus();
}

// With the pins, where they are given.
absl::StatusOr<std::shared_ptr<const client::ServerRequirement>>
Context::LoadRequirement() const {
  client::ServerRequirementOptions options = server_;
  if (!cluster_.empty()) {
    KMS_ASSIGN_OR_RETURN(options.cluster_id, Pin(cluster_, 16, "--cluster"));
  }
  if (!identity_.empty()) {
    KMS_ASSIGN_OR_RETURN(options.identity_public_key,
                         Pin(identity_, 32, "--identity"));
  }
  KMS_ASSIGN_OR_RETURN(client::ServerRequirement requirement,
                       client::ServerRequirement::Load(options));
  return std::make_shared<const client::ServerRequirement>(
      std::move(requirement));
}

absl::Status Context::Connect() {
  if (endpoints_ != nullptr) return absl::OkStatus();
  KMS_RETURN_IF_ERROR(ReadConnection());
  std::shared_ptr<const client::ServerRequirement> requirement;
  if (!server_.policy.empty()) {
    KMS_ASSIGN_OR_RETURN(requirement, LoadRequirement());
  } else if (!server_.anchors.empty() || !server_.simulated_anchors.empty()) {
    return client::UsageError(
        "--server-anchor and --simulated-server-anchor go with "
        "--require-server-evidence");
  }
  KMS_ASSIGN_OR_RETURN(auto routes,
                       client::MakeRoutes(connection_, requirement));
  endpoints_ = std::make_unique<client::Endpoints>(
      std::move(routes), connection_.connect_timeout, connection_.call_timeout);
  return absl::OkStatus();
}

absl::StatusOr<client::ShownServer> Context::AskServer() {
  KMS_RETURN_IF_ERROR(ReadConnection());
  KMS_ASSIGN_OR_RETURN(const std::string trusted,
                       client::ReadTrusted(connection_));
  if (connection_.addresses.size() != 1) return NotOneAddress();
  KMS_ASSIGN_OR_RETURN(auto requirement, LoadRequirement());
  client::ProvenRoute route(connection_.addresses[0], trusted, connection_,
                            std::move(requirement));
  return route.Ask(SystemClock().Now() + connection_.connect_timeout,
                   /*patient=*/true);
}

absl::Status Context::WantOneAddress() {
  KMS_RETURN_IF_ERROR(Connect());
  return endpoints_->size() == 1 ? absl::OkStatus() : NotOneAddress();
}

absl::StatusOr<PinnedCluster> Context::Pinned() const {
  PinnedCluster pinned;
  KMS_ASSIGN_OR_RETURN(pinned.cluster_id, Pin(cluster_, 16, "--cluster"));
  KMS_ASSIGN_OR_RETURN(pinned.identity_public_key,
                       Pin(identity_, 32, "--identity"));
  return pinned;
}

void Context::Print(const google::protobuf::Message& message) const {
  PrintJson(ProtoToJson(message));
}

void Context::PrintJson(const Json& value) const {
  if (json()) {
    out_ << JsonText(value) << "\n";
  } else {
    PrintTree(out_, value, "");
  }
}

void Context::PrintTable(const std::vector<std::vector<std::string>>& rows,
                         const Json& value) const {
  if (json()) {
    out_ << JsonText(value) << "\n";
    return;
  }
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      const size_t padding = last ? 0 : widths[i] - row[i].size() + 2;
      absl::StrAppend(&line, Clean(row[i]), std::string(padding, ' '));
    }
    out_ << line << "\n";
  }
}

}  // namespace kms::kmsctl
