#include "tools/kmsctl/hardware.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/collateral.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

using Collaterals = v1::CollateralService::StubInterface;

// 4,096 entries of 64 bytes in hex, and as much again of remarks.
constexpr size_t kListFileBytesMax = size_t{1} << 20;

struct Options {
  std::string type;
  std::string file;
  std::vector<std::string> entries;
  std::string state;
};

absl::StatusOr<v1::EvidenceType> TypeOf(const Options& options) {
  const v1::EvidenceType type = policy::EvidenceTypeNamed(options.type);
  if (type == v1::EVIDENCE_TYPE_UNSPECIFIED) {
    return client::UsageError("type: not a type of Evidence, say sev-snp");
  }
  return type;
}

absl::StatusOr<std::string> ReadEntry(absl::string_view hex) {
  const absl::StatusOr<std::string> entry =
      Unhex(absl::AsciiStrToLower(std::string(hex)));
  if (!entry.ok() || entry->empty()) {
    return client::UsageError("entry: want hex, as Claims show it");
  }
  return entry;
}

// An entry a line in hex; what follows "#" is a remark.
absl::StatusOr<std::set<std::string>> ReadList(const std::string& path) {
  KMS_ASSIGN_OR_RETURN(const std::string content,
                       client::ReadFile(path, kListFileBytesMax));
  std::set<std::string> entries;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    KMS_ASSIGN_OR_RETURN(std::string entry, ReadEntry(line));
    entries.insert(std::move(entry));
  }
  return entries;
}

absl::StatusOr<v1::ListDenyListsResponse> AllLists(Context& context) {
  return context.Call<v1::CollateralService, v1::ListDenyListsResponse>(
      &Collaterals::ListDenyLists, v1::ListDenyListsRequest());
}

absl::Status PutList(Context& context, v1::EvidenceType type,
                     const std::set<std::string>& entries,
                     std::optional<uint32_t> expected_version) {
  v1::PutDenyListRequest request;
  request.set_type(type);
  for (const std::string& entry : entries) request.add_entries(entry);
  if (expected_version.has_value()) {
    request.set_check_version(true);
    request.set_expected_version(*expected_version);
  }
  KMS_ASSIGN_OR_RETURN(const v1::DenyList list,
                       (context.Call<v1::CollateralService, v1::DenyList>(
                           &Collaterals::PutDenyList, request)));
  context.Print(list);
  return absl::OkStatus();
}

absl::Status Put(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const v1::EvidenceType type, TypeOf(options));
  KMS_ASSIGN_OR_RETURN(const std::set<std::string> entries,
                       ReadList(options.file));
  return PutList(context, type, entries, std::nullopt);
}

// The stored list with `options.entries` added or taken out. Refused with
// VERSION_CONFLICT if somebody else changed it meanwhile.
absl::Status Change(Context& context, const Options& options, bool add) {
  KMS_ASSIGN_OR_RETURN(const v1::EvidenceType type, TypeOf(options));
  KMS_ASSIGN_OR_RETURN(const v1::ListDenyListsResponse all, AllLists(context));
  std::set<std::string> entries;
  uint32_t version = 0;
  for (const v1::DenyList& list : all.lists()) {
    if (list.type() != type) continue;
    entries.insert(list.entries().begin(), list.entries().end());
    version = list.version();
  }
  for (const std::string& hex : options.entries) {
    KMS_ASSIGN_OR_RETURN(std::string entry, ReadEntry(hex));
    if (add) {
      entries.insert(std::move(entry));
    } else if (entries.erase(entry) == 0) {
      return client::UsageError("entry: not on the list");
    }
  }
  return PutList(context, type, entries, version);
}

absl::Status ListAll(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::ListDenyListsResponse all, AllLists(context));
  std::vector<std::vector<std::string>> rows = {
      {"TYPE", "VERSION", "STORED", "BY", "ENTRY"}};
  for (const v1::DenyList& list : all.lists()) {
    for (const std::string& entry : list.entries()) {
      rows.push_back({std::string(policy::EvidenceTypeName(list.type())),
                      absl::StrCat(list.version()), TimeText(list.stored_us()),
                      list.principal(), Hex(entry)});
    }
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

absl::Status ListSwitches(Context& context) {
  KMS_ASSIGN_OR_RETURN(
      const v1::ListKillSwitchesResponse all,
      (context.Call<v1::CollateralService, v1::ListKillSwitchesResponse>(
          &Collaterals::ListKillSwitches, v1::ListKillSwitchesRequest())));
  std::vector<std::vector<std::string>> rows = {
      {"TYPE", "KILL SWITCH", "CHANGED", "BY"}};
  for (const v1::KillSwitch& one : all.switches()) {
    rows.push_back({std::string(policy::EvidenceTypeName(one.type())),
                    one.on() ? "on: no releases" : "off",
                    TimeText(one.changed_us()), one.principal()});
  }
  context.PrintTable(rows, ProtoToJson(all));
  return absl::OkStatus();
}

absl::Status Switch(Context& context, const Options& options) {
  if (options.type.empty()) return ListSwitches(context);
  if (options.state.empty()) {
    return client::UsageError("kill-switch: want TYPE on, or TYPE off");
  }
  KMS_ASSIGN_OR_RETURN(const v1::EvidenceType type, TypeOf(options));
  v1::SetKillSwitchRequest request;
  request.set_type(type);
  request.set_on(options.state == "on");
  KMS_ASSIGN_OR_RETURN(const v1::KillSwitch set,
                       (context.Call<v1::CollateralService, v1::KillSwitch>(
                           &Collaterals::SetKillSwitch, request)));
  context.Print(set);
  return absl::OkStatus();
}

}  // namespace

void AddHardwareCommands(CLI::App& app, Context& context) {
  CLI::App* deny = app.add_subcommand(
      "deny-list", "Chips that no key is released to, whatever the policy");
  deny->require_subcommand(1, 1);

  CLI::App* put = deny->add_subcommand("put", "Replace the list of one type");
  auto put_options = std::make_shared<Options>();
  put->add_option("type", put_options->type, "of Evidence, say sev-snp")
      ->required();
  put->add_option("file", put_options->file,
                  "an identity a line, in hex as Claims show it; # a remark")
      ->required();
  context.OnRun(*put,
                [&context, put_options] { return Put(context, *put_options); });

  for (const bool add : {true, false}) {
    CLI::App* change =
        add ? deny->add_subcommand("add", "Deny further chips of one type")
            : deny->add_subcommand("remove", "Deny these chips no more");
    auto options = std::make_shared<Options>();
    change->add_option("type", options->type, "of Evidence, say sev-snp")
        ->required();
    change
        ->add_option("entries", options->entries,
                     "chip ids, PPIDs, serial numbers, TPM keys; hex")
        ->required();
    context.OnRun(*change, [&context, options, add] {
      return Change(context, *options, add);
    });
  }

  CLI::App* list = deny->add_subcommand("list", "List all entries");
  context.OnRun(*list, [&context] { return ListAll(context); });

  CLI::App* kill = app.add_subcommand(
      "kill-switch",
      "Stop (on) or allow (off) all releases to one type of Evidence; without "
      "arguments, show the switches");
  auto kill_options = std::make_shared<Options>();
  kill->add_option("type", kill_options->type, "of Evidence, say sev-snp");
  kill->add_option("state", kill_options->state, "on: no release from now on")
      ->check(CLI::IsMember({"on", "off"}));
  context.OnRun(*kill, [&context, kill_options] {
    return Switch(context, *kill_options);
  });
}

}  // namespace kms::kmsctl
