// loadgen: simulated workloads against a running service.
//
//   loadgen load   ...  --clients 16 --seconds 10   releases as fast as it can
//   loadgen replay ...                              one challenge, used twice
//   loadgen history --address A --address B ...     outcomes, while others fail
//
// `replay` is an attack: it exits 0 if the service refused it, and says with
// which code.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "tools/loadgen/history.h"
#include "tools/loadgen/workload.h"

namespace kms::loadgen {
namespace {

struct Options {
  std::vector<std::string> addresses;  // `history` uses all, others the first.
  std::string ca, simtee, cluster, identity, key;
  int clients = 16;
  int seconds = 10;
  int call_timeout_ms = 2000;
  int pause_ms = 0;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

std::shared_ptr<grpc::Channel> Connect(const Options& options) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(options.ca);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.addresses.front(),
                                   grpc::SslCredentials(tls), arguments);
}

absl::StatusOr<Pins> ReadPins(const Options& options) {
  Pins pins;
  KMS_ASSIGN_OR_RETURN(pins.cluster_id, Unhex(options.cluster));
  KMS_ASSIGN_OR_RETURN(pins.identity_public_key, Unhex(options.identity));
  return pins;
}

// Each client waits for its answer before it asks again.
absl::Status Load(const Options& options) {
  KMS_ASSIGN_OR_RETURN(const simtee::SimulatedSnp attester,
                       simtee::SimulatedSnp::Load(options.simtee));
  KMS_ASSIGN_OR_RETURN(const Pins pins, ReadPins(options));
  const SystemClock clock;
  const absl::Time end = clock.Now() + absl::Seconds(options.seconds);
  absl::Mutex mutex;
  std::vector<absl::Duration> latencies;
  absl::Status first_failure;
  int failures = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < options.clients; ++i) {
    clients.emplace_back([&] {
      const Workload workload(Connect(options), attester, pins);
      while (clock.Now() < end) {
        const absl::Time start = clock.Now();
        const absl::Status status = workload.Release(options.key).status();
        absl::MutexLock lock(&mutex);
        latencies.push_back(clock.Now() - start);
        if (!status.ok()) {
          first_failure.Update(status);
          ++failures;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  std::sort(latencies.begin(), latencies.end());
  const size_t n = latencies.size();
  std::printf("%zu releases in %d s by %d clients: p50 %s, p99 %s, %d failed\n",
              n, options.seconds, options.clients,
              absl::FormatDuration(latencies[n / 2]).c_str(),
              absl::FormatDuration(latencies[n * 99 / 100]).c_str(), failures);
  return first_failure;
}

absl::Status Replay(const Options& options) {
  KMS_ASSIGN_OR_RETURN(const simtee::SimulatedSnp attester,
                       simtee::SimulatedSnp::Load(options.simtee));
  KMS_ASSIGN_OR_RETURN(const Pins pins, ReadPins(options));
  const Workload workload(Connect(options), attester, pins);
  KMS_ASSIGN_OR_RETURN(const std::string challenge, workload.GetChallenge());
  KMS_ASSIGN_OR_RETURN(const Prepared first,
                       workload.Prepare(challenge, options.key));
  KMS_RETURN_IF_ERROR(workload.Send(first).status());
  // Honest Evidence, a new recipient key, the challenge of before.
  KMS_ASSIGN_OR_RETURN(const Prepared second,
                       workload.Prepare(challenge, options.key));
  const absl::Status refused = workload.Send(second).status();
  if (refused.ok()) return absl::InternalError("the replay was not refused");
  std::printf("%s: %s\n", RefusalName(RefusalOf(refused)).c_str(),
              std::string(refused.message()).c_str());
  return absl::OkStatus();
}

absl::Status History(const Options& options) {
  KMS_ASSIGN_OR_RETURN(const simtee::SimulatedSnp attester,
                       simtee::SimulatedSnp::Load(options.simtee));
  KMS_ASSIGN_OR_RETURN(const Pins pins, ReadPins(options));
  return RecordHistory(
      {.addresses = options.addresses,
       .ca = ReadFile(options.ca),
       .key = options.key,
       .clients = options.clients,
       .duration = absl::Seconds(options.seconds),
       .call_timeout = absl::Milliseconds(options.call_timeout_ms),
       .pause = absl::Milliseconds(options.pause_ms)},
      attester, pins);
}

int Finish(const absl::Status& status) {
  if (status.ok()) return 0;
  std::fprintf(stderr, "loadgen: %s: %s\n",
               RefusalName(RefusalOf(status)).c_str(),
               std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  CLI::App app("loadgen: simulated workloads against a running service");
  app.require_subcommand(1);
  int exit_code = 0;
  Options options;
  const auto add = [&](const char* name, const char* what,
                       absl::Status (*run)(const Options&)) {
    CLI::App* command = app.add_subcommand(name, what);
    command->add_option("--address", options.addresses)->required();
    command->add_option("--ca", options.ca, "PEM")->required();
    command->add_option("--simtee", options.simtee, "folder of simtee init")
        ->required();
    command->add_option("--cluster", options.cluster, "hex")->required();
    command->add_option("--identity", options.identity, "hex")->required();
    command->add_option("--key", options.key, "the key's name")->required();
    command->callback([&, run] { exit_code = Finish(run(options)); });
    return command;
  };
  CLI::App* load = add("load", "Release as fast as the service answers", Load);
  CLI::App* history = add("history",
                          "Write what became of each release while"
                          " instances fail",
                          History);
  for (CLI::App* command : {load, history}) {
    command->add_option("--clients", options.clients)
        ->check(CLI::Range(1, 256));
    command->add_option("--seconds", options.seconds)
        ->check(CLI::Range(1, 86400));
  }
  history->add_option("--call-timeout-ms", options.call_timeout_ms)
      ->check(CLI::Range(10, 60000));
  history->add_option("--pause-ms", options.pause_ms)
      ->check(CLI::Range(0, 60000));
  add("replay", "Use one challenge twice; succeeds if that is refused", Replay);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace
}  // namespace kms::loadgen

int main(int argc, char** argv) { return kms::loadgen::Main(argc, argv); }
