// An unsealed instance for tests: a real replica over a real local log, with
// memory for disks and a clock that stands still until it is moved.
// Thread-compatible; the instance in it is thread-safe.
#ifndef KMS_INSTANCE_TESTING_H_
#define KMS_INSTANCE_TESTING_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/caller.h"
#include "kms/base/clock.h"
#include "kms/crypto/signing_key.h"
#include "kms/instance/instance.h"
#include "storage/engine/memory_engine.h"
#include "storage/log/local/local_log.h"

namespace kms {

// Where the test instance's clock starts. Waits for the log are bounded by
// this clock plus a timeout and measured by the machine's, so it stands far
// enough in the future that they never run out.
absl::Time TestStartTime();

// An administrator named "alice", and a workload.
Caller TestAdministrator();
Caller TestWorkload();

struct TestInstanceOptions {
  std::vector<std::string> simulated_anchors;
  std::map<std::string, absl::Duration> collateral_max_ages = {};
  uint32_t approval_threshold = 1;
};

// Everything an instance stands on. It goes after the instance does, so a test
// keeps no pointer from `holder` beyond it.
class TestInstance {
 public:
  static absl::StatusOr<std::unique_ptr<TestInstance>> Make(
      const TestInstanceOptions& options);
  ~TestInstance();

  // Seals: drops the instance as an operator's Seal does.
  void Seal();

  // What the instance sees of time: its wall clock, and the time since boot.
  ManualClock clock;
  ManualClock boot_clock;
  // What the Evidence archive stands on: tests fail it.
  storage::MemoryEngine evidence_engine;
  // Holds the instance.
  InstanceHolder holder;

  // The instance, which must be there.
  std::shared_ptr<const Instance> get() const;
  // The state now; valid until the next call, or Seal.
  const storage::StateView& View();

 private:
  TestInstance();
  absl::Status Open(const TestInstanceOptions& options);

  storage::MemoryEngine state_engine_;
  storage::MemoryEngine log_engine_;
  std::unique_ptr<storage::LocalLog> log_;
  std::unique_ptr<crypto::Ed25519SigningKey> instance_key_;
  std::shared_ptr<const storage::StateView> view_;
};

// TestInstance::Make, for tests: ends the process if it fails.
std::unique_ptr<TestInstance> MakeTestInstance(
    const TestInstanceOptions& options = {});

}  // namespace kms

#endif  // KMS_INSTANCE_TESTING_H_
