#include "tools/kmsctl/context.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "tools/client/outcome.h"

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

absl::Status Context::Connect() {
  if (endpoints_ != nullptr) return absl::OkStatus();
  client::FillFromEnvironment(connection_);
  if (!absl::ParseDuration(timeout_, &connection_.call_timeout) ||
      connection_.call_timeout <= absl::ZeroDuration()) {
    return client::UsageError("--timeout: want a duration such as 10s");
  }
  KMS_ASSIGN_OR_RETURN(auto channels, client::MakeChannels(connection_));
  endpoints_ = std::make_unique<client::Endpoints>(std::move(channels),
                                                   connection_.connect_timeout,
                                                   connection_.call_timeout);
  return absl::OkStatus();
}

absl::Status Context::WantOneAddress() {
  KMS_RETURN_IF_ERROR(Connect());
  if (endpoints_->size() == 1) return absl::OkStatus();
  return client::UsageError(
      "this command concerns one instance: give exactly one --address");
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
