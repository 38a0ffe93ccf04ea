// For tests: a cluster's keys and clock, and makers of commands, batches and
// entries, so that a test says only what it is about.
// Thread-compatible.
#ifndef STORAGE_STATE_STATE_FIXTURE_H_
#define STORAGE_STATE_STATE_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/crypto/signing_key.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/engine/engine.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"
#include "storage/log/shared_log.h"
#include "storage/state/state_machine.h"

namespace kms::storage {

using ::storage::v1::ApprovedCommand;
using ::storage::v1::Batch;
using ::storage::v1::Command;

inline constexpr int64_t kTestStartUs = 1'750'000'000'000'000;

// 16 bytes (or `size`) that differ for each `n`.
std::string TestId(uint64_t n, size_t size = 16);

// One registered proposer.
struct TestInstance {
  std::string id;
  std::shared_ptr<const crypto::Ed25519SigningKey> key;
  uint64_t incarnation = 1;
  uint64_t sequence = 0;
};

// The same key for the same `n`, throughout a process.
TestInstance MakeTestInstance(uint64_t n);

class StateFixture {
 public:
  StateFixture();

  // A second envelope of the same keyring: other nonces.
  std::unique_ptr<Envelope> NewEnvelope() const;
  const Envelope& envelope() const { return *envelope_; }
  // One signing key for the whole cluster, instance 1.
  TestInstance& first() { return first_; }

  // --- Commands. Each has a salt of its own. ---
  Command NewCommand();  // Principal "alice", namespace "default".
  Command Genesis(uint32_t threshold = 1,
                  const std::vector<::storage::v1::Approver>& approvers = {});
  Command Register(const TestInstance& instance);
  Command PutPolicy(absl::string_view name, uint32_t expected_version = 0,
                    uint64_t quota = 0, int64_t window_us = 0);
  Command SetPolicyState(absl::string_view name, uint32_t version,
                         ::storage::v1::PolicyState state,
                         uint32_t expected_active);
  // Values "a" and "b", signed by "acme".
  Command PutReferenceSet(absl::string_view name, uint32_t expected_version);
  Command CreateKey(absl::string_view name, const std::string& key_id,
                    absl::string_view policy);
  Command RotateKey(const std::string& key_id, uint32_t primary);
  Command SetKeyVersionState(const std::string& key_id, uint32_t version,
                             ::storage::v1::KeyVersionState state);
  Command PutAnchor(absl::string_view name);
  // A CRL of `subject`, issued `number` days after the start.
  Command PutCollateral(absl::string_view subject, uint8_t number);
  Command RemoveCollateral(absl::string_view subject);
  Command PutDenyList(uint32_t type, const std::vector<std::string>& entries,
                      uint32_t expected_version = 0);
  Command SetKillSwitch(uint32_t type, bool on);
  // Of version 1, under policy "p" version 1, at `generation`; challenge `n`.
  Command Release(const std::string& key_id, uint64_t n, uint64_t generation);

  // --- Batches. ---
  // The instance's next, on `view`'s state, stating now_us.
  Batch NewBatch(TestInstance& instance, const StateView& view,
                 const std::vector<Command>& commands);
  std::string Seal(const TestInstance& instance, const Batch& batch) const;

  int64_t now_us = kTestStartUs;

 private:
  std::unique_ptr<Envelope> envelope_;
  TestInstance first_;
  uint64_t salt_ = 0;
};

// A state machine fed by hand: each call is the next entry of its log. The
// log is kept, to be replayed elsewhere.
class FedMachine {
 public:
  // `engine` is empty, and outlives it. Applies Genesis.
  FedMachine(StateFixture& fixture, Engine& engine);
  FedMachine(StateFixture& fixture, Engine& engine, const Command& genesis);

  // One batch of the first instance; fails the test unless it is applied.
  std::vector<Effect> Do(const std::vector<Command>& commands);
  Effect Do(const Command& command) { return Do(std::vector{command})[0]; }

  // Any sealed bytes as the next entry.
  absl::StatusOr<BatchResult> Feed(std::string sealed);

  StateMachine& machine() { return *machine_; }
  std::shared_ptr<const StateView> view() const { return machine_->View(); }
  uint64_t generation() const { return view()->appraisal_generation(); }
  const std::vector<LogEntry>& log() const { return log_; }

 private:
  void Start(const Command& genesis);

  StateFixture& fixture_;
  std::unique_ptr<StateMachine> machine_;
  std::vector<LogEntry> log_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_STATE_FIXTURE_H_
