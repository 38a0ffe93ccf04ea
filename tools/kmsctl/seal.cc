#include "tools/kmsctl/seal.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/proto_json.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tools/client/outcome.h"
#include "tools/kmsctl/rekey.h"
#include "tools/kmsctl/secret_input.h"

namespace kms::kmsctl {
namespace {

using Seals = v1::SealService::StubInterface;

constexpr uint32_t kSharesDefault = 5;
constexpr uint32_t kThresholdDefault = 3;

absl::StatusOr<v1::Status> GetStatus(Context& context) {
  return context.CallOne<v1::StatusService, v1::Status>(
      &v1::StatusService::StubInterface::GetStatus, v1::GetStatusRequest());
}

void WipeShares(v1::InitResponse& response) {
  for (std::string& share : *response.mutable_shares()) Wipe(share);
}

void ShowShares(const v1::InitRequest& request,
                const v1::InitResponse& response, std::ostream& out) {
  out << "Give each share to one custodian; they are shown only now. "
      << request.threshold() << " of them unseal.\n";
  for (int i = 0; i < response.shares_size(); ++i) {
    out << "share " << i + 1 << ": " << response.shares(i) << "\n";
  }
}

struct InitOptions {
  std::optional<uint32_t> shares;
  std::optional<uint32_t> threshold;
};

// What was asked for; where nothing was, what a seal of `kind` takes.
v1::InitRequest InitRequestOf(const std::string& kind,
                              const InitOptions& options) {
  v1::InitRequest request;
  if (!options.shares.has_value() && !options.threshold.has_value() &&
      kind != "shamir") {
    return request;
  }
  request.set_shares(options.shares.value_or(kSharesDefault));
  request.set_threshold(options.threshold.value_or(kThresholdDefault));
  return request;
}

absl::Status Init(Context& context, const InitOptions& options) {
  KMS_ASSIGN_OR_RETURN(const v1::Status status, GetStatus(context));
  const std::string& kind = status.seal().kind();
  const v1::InitRequest request = InitRequestOf(kind, options);
  KMS_ASSIGN_OR_RETURN(v1::InitResponse response,
                       (context.CallOne<v1::SealService, v1::InitResponse>(
                           &Seals::Init, request)));
  if (kind == "development") {
    context.err() << "DEVELOPMENT SEAL: there are no shares. The root key lies "
                     "in the server's key_file; whoever copies it has every "
                     "key.\n";
  }
  if (context.json()) {
    context.Print(response);
  } else {
    std::ostream& out = context.out();
    if (!response.shares().empty()) ShowShares(request, response, out);
    out << "\nPin these in agents and for audits:\n"
        << "cluster id: " << Hex(response.cluster_id()) << "\n"
        << "identity key: " << Hex(response.identity_public_key()) << "\n"
        << "checkpoint key: " << response.verifier_key() << "\n";
  }
  context.out().flush();
  WipeShares(response);
  return absl::OkStatus();
}

// Whoever unseals compares it with what he knows from outside: an instance that
// was put back to an older state looks whole to itself.
void ShowLogHead(const v1::SealStatus& seal, std::ostream& err) {
  if (seal.last_checkpoint().empty()) return;
  err << "The last log head that this instance has signed; a later one known "
         "outside means that its disk was put back:\n"
      << seal.last_checkpoint() << "\n";
}

absl::Status Unseal(Context& context, const std::string& file) {
  KMS_ASSIGN_OR_RETURN(const v1::Status before, GetStatus(context));
  ShowLogHead(before.seal(), context.err());
  v1::UnsealRequest request;
  // A device is only asked again; a share is sent all the same if one is named.
  if (before.seal().kind() == "shamir" || !file.empty()) {
    KMS_ASSIGN_OR_RETURN(const Secret share, ReadShare(file));
    request.set_share(ToString(share.Expose(GrantSecretAccess())));
  }
  const auto status =
      context.CallOne<v1::SealService, v1::SealStatus>(&Seals::Unseal, request);
  Wipe(*request.mutable_share());
  if (!status.ok()) return status.status();
  context.Print(*status);
  return absl::OkStatus();
}

// Calls `method` of one instance and prints the seal's status.
template <typename Request, typename Method>
absl::Status Change(Context& context, Method method) {
  KMS_ASSIGN_OR_RETURN(
      const v1::SealStatus status,
      (context.CallOne<v1::SealService, v1::SealStatus>(method, Request())));
  context.Print(status);
  return absl::OkStatus();
}

absl::Status NewEpoch(Context& context, const std::string& reason) {
  v1::NewEpochRequest request;
  request.set_reason(reason);
  const absl::StatusOr<v1::SealStatus> status =
      context.CallOne<v1::SealService, v1::SealStatus>(&Seals::NewEpoch,
                                                       request);
  if (client::IsRefusal(status.status()) &&
      RefusalOf(status.status()) == v1::NOT_SEALED) {
    return client::WithNextStep(
        status.status(),
        "seal this instance (kmsctl seal), repeat this, then unseal it");
  }
  KMS_RETURN_IF_ERROR(status.status());
  context.Print(*status);
  context.err() << "next: unseal this instance, which begins the epoch; then "
                   "let every other one join again\n";
  return absl::OkStatus();
}

absl::Status ShowStatus(Context& context) {
  KMS_ASSIGN_OR_RETURN(const v1::Status status, GetStatus(context));
  context.Print(status);
  return absl::OkStatus();
}

}  // namespace

void AddSealCommands(CLI::App& app, Context& context) {
  CLI::App* init = app.add_subcommand(
      "init", "Make the root key, its shares and the cluster, once");
  auto counts = std::make_shared<InitOptions>();
  init->add_option("--shares", counts->shares,
                   "how many; 5 unless given, none for a development seal");
  init->add_option("--threshold", counts->threshold,
                   "how many unseal; 3 unless given");
  context.OnRun(*init, [&context, counts] { return Init(context, *counts); });

  struct UnsealOptions {
    std::string file;
    bool reset = false;
  };
  CLI::App* unseal =
      app.add_subcommand("unseal", "Give one share to one instance");
  auto options = std::make_shared<UnsealOptions>();
  CLI::Option* file = unseal->add_option(
      "--share-file", options->file,
      "file with the share, - for stdin; asked for at the terminal otherwise");
  unseal->add_flag("--reset", options->reset, "forget the shares given so far")
      ->excludes(file);
  context.OnRun(*unseal, [&context, options] {
    if (!options->reset) return Unseal(context, options->file);
    return Change<v1::ResetUnsealRequest>(context, &Seals::ResetUnseal);
  });

  CLI::App* seal = app.add_subcommand(
      "seal", "Make one instance forget the root key and everything under it");
  AddRekeyCommands(*seal, context);
  context.OnRun(*seal, [&context] {
    return Change<v1::SealRequest>(context, &Seals::Seal);
  });

  CLI::App* log = app.add_subcommand("log", "The log that instances share");
  log->require_subcommand(1, 1);
  CLI::App* epoch = log->add_subcommand(
      "new-epoch",
      "Let one sealed instance's next unseal begin a new epoch in its etcd, "
      "because the log was lost, restored, replaced or moves there");
  auto reason = std::make_shared<std::string>();
  epoch->add_option("--reason", *reason, "goes into the log")->required();
  context.OnRun(*epoch,
                [&context, reason] { return NewEpoch(context, *reason); });

  CLI::App* status = app.add_subcommand("status", "Show one instance's state");
  context.OnRun(*status, [&context] { return ShowStatus(context); });
}

}  // namespace kms::kmsctl
