// kmsd: one instance of the service.
//   kmsd --config FILE                  serves until SIGTERM or SIGINT
//   kmsd --check-config --config FILE   tells every fault of FILE
//   kmsd --version
// Exit status: 0 done; 1 it could not start, or (on_fatal: exit) not go on;
// 2 usage or configuration.
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "kms/base/clock.h"
#include "kms/base/status.h"
#include "kms/server/config.h"
#include "kms/server/event_log.h"
#include "kms/server/hardening.h"
#include "kms/server/server.h"
#include "kms/server/status_handler.h"
#include "kms/server/tls.h"

namespace kms::server {
namespace {

constexpr int kFatalSignal = SIGUSR1;  // Sent by the process to itself.

// Blocked in every thread, so that only sigwait takes them.
absl::StatusOr<sigset_t> BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, kFatalSignal}) {
    sigaddset(&signals, signal);
  }
  if (pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) {
    return absl::InternalError("pthread_sigmask failed");
  }
  return signals;
}

// kmsd's life. OK: it ended because it was told to.
absl::Status Run(const Config& config) {
  // Debian's abseil is a debug build in this: every lock of every library
  // would be searched for cycles, under one global lock. Tests search.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  KMS_RETURN_IF_ERROR(HardenProcess());
  KMS_RETURN_IF_ERROR(CheckLockedMemory());
  KMS_RETURN_IF_ERROR(AllowOnlyTls13());
  KMS_ASSIGN_OR_RETURN(const sigset_t signals, BlockSignals());

  const SystemClock clock;
  KMS_ASSIGN_OR_RETURN(
      const std::unique_ptr<EventLog> log,
      EventLog::Open(config.log_level, config.log_file, clock));
  const bool exits = config.on_fatal == OnFatal::kExit;
  KMS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Server> server,
      Server::Start(config, clock, *log, [exits](const absl::Status&) {
        if (exits) kill(getpid(), kFatalSignal);
      }));
  int signal = 0;
  sigwait(&signals, &signal);
  log->Write(LogLevel::kInfo, "signal", {{"number", std::to_string(signal)}});
  if (signal == kFatalSignal) {
    // Nothing is unwound: closing the databases would write to a disk that
    // failed, which RocksDB answers with an abort. Callers that waited for the
    // log have their answer by now, or see the connection end.
    log->Flush();
    std::cerr << "kmsd: the instance cannot go on; see the log\n";
    _exit(1);
  }
  server->Drain();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  CLI::App app("kmsd: one instance of the key service");
  std::string config_path;
  bool check = false;
  app.add_option("--config", config_path, "The configuration file")->required();
  app.add_flag("--check-config", check, "Tell its faults, and serve nothing");
  app.set_version_flag("--version", std::string("kmsd ") + kVersion);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::StatusOr<Config> config = LoadConfig(config_path);
  if (!config.ok()) {
    std::cerr << config.status().message() << "\n";
    return 2;
  }
  if (check) {
    std::cout << config_path << ": good\n";
    return 0;
  }
  const absl::Status ended = Run(*config);
  if (!ended.ok()) {
    std::cerr << "kmsd: " << ended.message() << "\n";
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace kms::server

int main(int argc, char** argv) { return kms::server::Main(argc, argv); }
