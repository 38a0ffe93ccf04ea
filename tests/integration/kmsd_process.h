// A real kmsd in a folder of its own, driven over TLS as its users do: started,
// initialised, killed, started again. For tests.
// Thread-compatible.
#ifndef TESTS_INTEGRATION_KMSD_PROCESS_H_
#define TESTS_INTEGRATION_KMSD_PROCESS_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/kms/v1/seal.pb.h"
#include "tools/loadgen/workload.h"

namespace kms::testing {

// The name under which tests configure the simulator's root.
inline constexpr char kSimulatedAnchor[] = "simulated-snp-ark";

// One that was free a moment ago.
int FreePort();

struct KmsdOptions {
  std::string kmsd;       // Path of the binary.
  std::string directory;  // Empty and private; everything goes below it.
  bool development_seal = true;
  std::string seal = {};  // The configuration's seal, on one line, instead.
  std::vector<std::string> simulated_anchors = {kSimulatedAnchor};
  std::string etcd = {};  // The configuration's log.etcd; empty: a local log.
  // Lines added to the configuration's `limits`, each "name: value".
  std::vector<std::string> limits = {"releases_per_second: 100000",
                                     "challenges_per_second: 100000"};
  std::string config = {};  // Further lines of the configuration.
};

class KmsdProcess {
 public:
  // Makes certificates and a configuration; starts nothing yet.
  static absl::StatusOr<std::unique_ptr<KmsdProcess>> Create(
      KmsdOptions options);
  ~KmsdProcess();  // Kills what still runs.

  // Starts the binary and returns once GetStatus answers.
  // kDeadlineExceeded: it did not within 30 s; the log says why.
  absl::Status Start();
  void Kill();                      // SIGKILL, and waits.
  absl::StatusOr<int> Terminate();  // SIGTERM, and its exit code.
  void Signal(int signal) const;
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

  // Waits until the instance serves (unsealed and healthy).
  absl::Status AwaitServing() const;

  absl::StatusOr<v1::InitResponse> Init(uint32_t shares, uint32_t threshold);
  absl::StatusOr<v1::Status> GetStatus() const;

  // A connection with the administrator's certificate, or with none.
  std::shared_ptr<grpc::Channel> AdminChannel() const;
  std::shared_ptr<grpc::Channel> WorkloadChannel() const;
  // With the certificate of somebody whom the configuration does not name.
  std::shared_ptr<grpc::Channel> StrangerChannel() const;

  const std::string& address() const { return address_; }
  std::string path(const std::string& name) const {
    return options_.directory + "/" + name;
  }
  std::string log() const;  // Everything it logged so far.

 private:
  explicit KmsdProcess(KmsdOptions options);
  std::shared_ptr<grpc::Channel> Connect(const std::string& certificate) const;
  absl::Status WriteConfig();

  const KmsdOptions options_;
  std::string address_;
  pid_t pid_ = -1;
};

// What every test of releases begins with: an initialised instance that
// trusts `attester`, with `policy` stored under its own name.
absl::StatusOr<loadgen::Pins> SetUp(KmsdProcess& kmsd,
                                    const simtee::SimulatedSnp& attester,
                                    const std::string& policy_name,
                                    const std::string& policy_document);

}  // namespace kms::testing

#endif  // TESTS_INTEGRATION_KMSD_PROCESS_H_
