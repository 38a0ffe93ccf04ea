// kms-agent: gets one key for this workload at boot and delivers it.
// See README.md for the order of things and the exit codes.
#include <grpcpp/create_channel.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/casts.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/attester/make_attester.h"
#include "kms/base/bytes.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "tools/client/connection.h"
#include "tools/client/file.h"
#include "tools/client/harden.h"
#include "tools/client/outcome.h"
#include "tools/client/proven_route.h"
#include "tools/client/server_evidence.h"
#include "tools/kms_agent/agent.h"
#include "tools/kms_agent/config.h"
#include "tools/kms_agent/delivery.h"

namespace kms::agent {
namespace {

constexpr size_t kConfigBytesMax = 64 * 1024;
constexpr size_t kBlobBytesMax =
    4 * 1024;  // The service says how long one may be.

struct Flags {
  std::string config_file;
  Config config;  // What flags gave; merged over the file's.
  DeliveryOptions delivery;
  bool once = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  Config& c = flags.config;
  app.add_option("--config", flags.config_file, "YAML file; flags win over it");
  app.add_option("--endpoint", c.endpoints, "host:port; repeat for more");
  app.add_option("--ca", c.ca, "PEM file of the CA of the service");
  app.add_option("--cluster-id", c.cluster_id, "pinned; 32 hex digits");
  app.add_option("--identity-key", c.identity_key, "pinned; 64 hex digits");
  app.add_option("--namespace", c.name_space, "of the key");
  app.add_option("--key", c.key, "name of the key");
  app.add_option("--version", c.version, "of the key; 0: primary");
  app.add_option("--blob", c.blob, "file: release its data key");
  app.add_option("--artifact-digest", c.artifact_digest,
                 "that the key or blob is bound to; 64 hex digits");
  app.add_option("--attester", c.attester, "built in: sev-snp, tdx");
  app.add_option("--attester-command", c.attester_command,
                 "program run as PROGRAM REPORT_DATA_HEX OUT_DIR "
                 "GPU_NONCE_HEX");
  app.add_option("--attester-timeout", c.attester_timeout, "such as 30s");
  app.add_option("--output", c.output,
                 "fd:NUMBER, file:PATH or credential-socket:PATH");
  app.add_option("--receipt", c.receipt, "file to keep the receipt in");
  app.add_option("--retry-for", c.retry_for, "such as 5m");
  app.add_option("--require-server-evidence", c.server.policy,
                 "send nothing to a server before its own Evidence passes this "
                 "policy document")
      ->check(CLI::ExistingFile);  // Also refuses "", an unset variable.
  app.add_option("--server-anchor", c.server.anchors,
                 "for it, a further vendor root; repeat for more");
  app.add_option("--simulated-server-anchor", c.server.simulated_anchors,
                 "for it, a simulator's root; repeat for more");
  app.add_flag("--once", flags.once, "no retries");
  app.add_flag("--serve", flags.delivery.serve,
               "credential-socket: answer every connection, not just one");
  app.add_flag("--allow-disk", flags.delivery.allow_disk,
               "file: on any file system");
}

// The file's configuration with every given flag put over it.
absl::StatusOr<Config> Merge(const CLI::App& app, const Flags& flags) {
  Config merged;
  if (!flags.config_file.empty()) {
    KMS_ASSIGN_OR_RETURN(const std::string yaml,
                         client::ReadFile(flags.config_file, kConfigBytesMax));
    KMS_ASSIGN_OR_RETURN(merged, ParseConfig(yaml));
  }
  const Config& given = flags.config;
  const auto take = [&app](const char* flag, const auto& from, auto& to) {
    if (app.count(flag) > 0) to = from;
  };
  take("--endpoint", given.endpoints, merged.endpoints);
  take("--ca", given.ca, merged.ca);
  take("--cluster-id", given.cluster_id, merged.cluster_id);
  take("--identity-key", given.identity_key, merged.identity_key);
  take("--namespace", given.name_space, merged.name_space);
  take("--key", given.key, merged.key);
  take("--version", given.version, merged.version);
  take("--blob", given.blob, merged.blob);
  take("--artifact-digest", given.artifact_digest, merged.artifact_digest);
  take("--attester", given.attester, merged.attester);
  take("--attester-command", given.attester_command, merged.attester_command);
  take("--attester-timeout", given.attester_timeout, merged.attester_timeout);
  take("--output", given.output, merged.output);
  take("--receipt", given.receipt, merged.receipt);
  take("--retry-for", given.retry_for, merged.retry_for);
  take("--require-server-evidence", given.server.policy, merged.server.policy);
  take("--server-anchor", given.server.anchors, merged.server.anchors);
  take("--simulated-server-anchor", given.server.simulated_anchors,
       merged.server.simulated_anchors);
  return merged;
}

// 53 random bits: every double in [0, 1) on that grid is equally likely.
double Uniform() {
  uint8_t bytes[8];
  crypto::RandomBytes(absl::MakeSpan(bytes));
  return static_cast<double>(absl::bit_cast<uint64_t>(bytes) >> 11) * 0x1p-53;
}

absl::StatusOr<std::vector<std::shared_ptr<client::Route>>> MakeRoutes(
    const Plan& plan, const client::ConnectionOptions& connection) {
  std::shared_ptr<const client::ServerRequirement> requirement;
  if (!plan.server.policy.empty()) {
    KMS_ASSIGN_OR_RETURN(client::ServerRequirement loaded,
                         client::ServerRequirement::Load(plan.server));
    requirement =
        std::make_shared<const client::ServerRequirement>(std::move(loaded));
  }
  return client::MakeRoutes(connection, requirement);
}

absl::Status Run(const CLI::App& app, const Flags& flags) {
  KMS_ASSIGN_OR_RETURN(const Config config, Merge(app, flags));
  KMS_ASSIGN_OR_RETURN(const Plan plan, Resolve(config));
  client::ConnectionOptions connection;
  connection.addresses = config.endpoints;
  connection.ca_file = config.ca;
  KMS_ASSIGN_OR_RETURN(const auto routes, MakeRoutes(plan, connection));
  // Before the release, so that none is spent on a key that cannot arrive.
  KMS_ASSIGN_OR_RETURN(const std::unique_ptr<Delivery> delivery,
                       OpenDelivery(config.output, flags.delivery));

  std::vector<ReleaseClient::OpenFn> instances;
  for (const auto& route : routes) {
    instances.push_back(
        [&route, &connection]()
            -> absl::StatusOr<std::unique_ptr<ReleaseClient::Instance>> {
          KMS_ASSIGN_OR_RETURN(
              const auto channel,
              route->Open(SystemClock().Now() + connection.connect_timeout,
                          /*patient=*/false));
          return v1::WorkloadService::NewStub(channel);
        });
  }
  const std::unique_ptr<attester::Attester> attester =
      attester::MakeAttester(plan.attester);
  const SystemClock clock;
  ReleaseClient client({plan.cluster_id, plan.identity_public_key},
                       std::move(instances), *attester,
                       {.once = flags.once, .retry_for = plan.retry_for},
                       {clock, absl::SleepFor, Uniform});
  v1::ReleaseRequest request;
  request.set_namespace_(config.name_space);
  request.set_key(config.key);
  request.set_version(config.version);
  request.set_artifact_digest(plan.artifact_digest);
  if (!config.blob.empty()) {
    KMS_ASSIGN_OR_RETURN(*request.mutable_blob(),
                         client::ReadFile(config.blob, kBlobBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(const ReleasedKey released, client.Release(request));

  // The receipt first: whoever has the key can always show where it came from.
  if (!config.receipt.empty()) {
    KMS_RETURN_IF_ERROR(client::WriteFile(
        config.receipt, AsBytes(released.receipt.SerializeAsString())));
  }
  const v1::ReceiptBody& body = released.verified.body;
  std::cerr << absl::StrCat(
      "kms-agent: released version ", body.key_version(), " of key ",
      Hex(body.key_id()), ", log position ", body.epoch(), "/", body.index(),
      ", lease until ",
      absl::FormatTime(absl::RFC3339_sec,
                       absl::FromUnixMicros(body.lease_until_us()),
                       absl::UTCTimeZone()),
      "\n");
  return delivery->Deliver(released.key);
}

int Main(int argc, char** argv) {
  absl::Status status = client::Harden();
  CLI::App app("Gets one key for this workload and delivers it.", "kms-agent");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    status = client::UsageError(error.what());
  }
  if (status.ok()) status = Run(app, flags);
  client::PrintFailure("kms-agent", status, std::cerr);
  return static_cast<int>(client::ExitCodeOf(status));
}

}  // namespace
}  // namespace kms::agent

int main(int argc, char** argv) { return kms::agent::Main(argc, argv); }
