#include "tools/kmsctl/lease.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

using Audits = v1::AuditService::StubInterface;
using Keys = v1::KeyService::StubInterface;
using Json = nlohmann::ordered_json;

// A leaf has at most 8 KiB and an answer 4 MiB: no page is cut short.
constexpr uint64_t kPage = 500;
// The longest lease that a policy may give: older leaves hold none.
constexpr int64_t kLeaseUsMax = int64_t{30} * 24 * 3600 * 1'000'000;

struct Options {
  std::string name_space = "default";
  std::string key;  // Its name; empty: all.
};

struct Lease {
  uint64_t leaf;
  v1::AuditEntry entry;
};

// The releases of a namespace whose lease is not over, newest first. A repeat
// of a release stands for it.
absl::StatusOr<std::vector<Lease>> ReadLeases(Context& context,
                                              const std::string& name_space) {
  v1::ListEntriesRequest request;
  request.set_count(1);
  KMS_ASSIGN_OR_RETURN(v1::ListEntriesResponse page,
                       (context.Call<v1::AuditService, v1::ListEntriesResponse>(
                           &Audits::ListEntries, request)));
  std::vector<Lease> leases;
  std::set<uint64_t> repeated;
  std::optional<int64_t> now_us;  // Log time: of the newest leaf.
  for (uint64_t end = page.tree_size(); end > 0;) {
    const uint64_t start = end > kPage ? end - kPage : 0;
    request.set_start(start);
    request.set_count(static_cast<uint32_t>(end - start));
    KMS_ASSIGN_OR_RETURN(
        page, (context.Call<v1::AuditService, v1::ListEntriesResponse>(
                  &Audits::ListEntries, request)));
    if (static_cast<uint64_t>(page.entries_size()) != end - start) {
      return client::IntegrityError("log: leaves are missing");
    }
    for (uint64_t i = end - start; i-- > 0;) {
      v1::AuditEntry entry;
      if (!entry.ParseFromString(page.entries(static_cast<int>(i)))) {
        return client::IntegrityError(
            absl::StrCat("leaf ", start + i, ": does not parse"));
      }
      if (!now_us.has_value()) now_us = entry.log_time_us();
      if (entry.log_time_us() + kLeaseUsMax < *now_us) return leases;
      const v1::Released& released = entry.released();
      if (!entry.has_released() || entry.namespace_() != name_space ||
          released.lease_until_us() <= *now_us ||
          repeated.count(start + i) != 0 ||
          (!released.blob_digest().empty() &&
           !released.new_blob_digest().empty())) {  // Wrapped to nobody.
        continue;
      }
      if (released.repeat_of_plus_one() != 0) {
        repeated.insert(released.repeat_of_plus_one() - 1);
      }
      leases.push_back({start + i, std::move(entry)});
    }
    end = start;
  }
  return leases;
}

absl::StatusOr<std::map<std::string, v1::Key>> ReadKeys(
    Context& context, const std::string& name_space) {
  std::map<std::string, v1::Key> keys;
  v1::ListKeysRequest request;
  request.set_namespace_(name_space);
  do {
    KMS_ASSIGN_OR_RETURN(const v1::ListKeysResponse page,
                         (context.Call<v1::KeyService, v1::ListKeysResponse>(
                             &Keys::ListKeys, request)));
    for (const v1::Key& key : page.keys()) keys[key.key_id()] = key;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return keys;
}

// Whether the key would let this lease be renewed, as far as its own state
// goes; the policy judges the Evidence of then.
std::string StatusOf(const v1::Released& released, const v1::Key& key) {
  if (key.policy().empty()) return "revoked: no policy";
  if (released.version() < key.minimum_version()) {
    return "revoked: below the minimum version";
  }
  for (const v1::KeyVersion& version : key.versions()) {
    if (version.version() != released.version()) continue;
    switch (version.state()) {
      case v1::KeyVersion::ENABLED:
        return key.policy() == released.policy() ? "active"
                                                 : "active: another policy";
      case v1::KeyVersion::DISABLED:
        return "revoked: disabled";
      default:
        return "revoked: destroyed";
    }
  }
  return "revoked: no such version";
}

absl::Status List(Context& context, const Options& options) {
  KMS_ASSIGN_OR_RETURN(const std::vector<Lease> leases,
                       ReadLeases(context, options.name_space));
  KMS_ASSIGN_OR_RETURN(const auto keys, ReadKeys(context, options.name_space));
  std::vector<std::vector<std::string>> rows = {
      {"LEAF", "KEY", "VERSION", "UNTIL", "STATUS"}};
  Json all = Json::array();
  for (const Lease& lease : leases) {
    const v1::Released& released = lease.entry.released();
    const auto key = keys.find(released.key_id());
    if (key == keys.end()) continue;  // Made after the log was read.
    const std::string& name = key->second.name();
    if (!options.key.empty() && name != options.key) continue;
    const std::string status = StatusOf(released, key->second);
    rows.push_back({absl::StrCat(lease.leaf), name,
                    absl::StrCat(released.version()),
                    TimeText(released.lease_until_us()), status});
    all.push_back(
        {{"leaf", lease.leaf},
         {"key", name},
         {"version", released.version()},
         {"lease_until_us", released.lease_until_us()},
         {"recipient_thumbprint", Hex(released.recipient_thumbprint())},
         {"evidence_digest", Hex(released.evidence_digest())},
         {"status", status}});
  }
  context.PrintTable(rows, {{"leases", all}});
  return absl::OkStatus();
}

}  // namespace

void AddLeaseCommands(CLI::App& app, Context& context) {
  CLI::App* lease = app.add_subcommand("lease", "Releases that hold still");
  lease->require_subcommand(1, 1);
  CLI::App* list =
      lease->add_subcommand("list", "Outstanding leases, newest first");
  auto options = std::make_shared<Options>();
  list->add_option("--namespace", options->name_space,
                   "of the keys; default unless given");
  list->add_option("--name", options->key, "only of this key");
  context.OnRun(*list, [&context, options] { return List(context, *options); });
}

}  // namespace kms::kmsctl
