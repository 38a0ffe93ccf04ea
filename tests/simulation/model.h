// What a correct cluster does with a log: an independent model of the rules
// that the simulation exercises, written from architecture.md and review.md
// and sharing no code with storage/state. It knows nothing of rows, digests'
// contents or encryption; it is told which signatures are good.
//
// Thread-compatible; a value, so that a history can be kept.
#ifndef TESTS_SIMULATION_MODEL_H_
#define TESTS_SIMULATION_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/kms/v1/refusal.pb.h"
#include "proto/storage/v1/command.pb.h"

namespace kms::simulation {

// What must become of one command.
struct Outcome {
  v1::RefusalCode refusal = v1::REFUSAL_CODE_UNSPECIFIED;
  std::optional<uint64_t> leaf;
  std::optional<uint64_t> repeat_of;
  uint32_t version = 0;
  int64_t lease_until_us = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// What must be in one leaf.
struct LeafContent {
  v1::AuditEntry::EventCase event;
  uint32_t command;
  std::string salt;  // Empty: not known beforehand.
};

enum class Verdict { kApplied, kDuplicate, kDiverged, kUnknown, kMalformed };

struct BatchOutcome {
  Verdict verdict = Verdict::kApplied;
  std::vector<Outcome> commands;
  std::vector<LeafContent> leaves;
};

class Model {
 public:
  // What the signature of a batch is, by whoever made it.
  enum class Form { kSigned, kBadlySigned, kNoBatch };

  // The state's digest after an entry of this history.
  using DigestFn = std::function<std::string(uint64_t index)>;

  // The next entry. `batch` is ignored if it is no batch.
  BatchOutcome Apply(Form form, const ::storage::v1::Batch& batch,
                     const DigestFn& digest_at);

  uint64_t index() const { return index_; }
  uint64_t leaves() const { return leaves_; }
  int64_t log_time_us() const { return log_time_us_; }
  uint64_t generation() const { return generation_; }

  struct Instance {
    uint64_t incarnation = 0;
    uint64_t sequence = 0;
    int64_t clock_us = 0;
    bool fenced = false;
  };
  const std::map<std::string, Instance>& instances() const {
    return instances_;
  }

  // Everything a reader can see of a key, in one line; empty: no such key.
  std::string DescribeKey(const std::string& key_id) const;
  std::vector<std::string> key_ids() const;

  struct Policy {
    uint32_t version = 0;
    uint64_t quota = 0;
    int64_t window_us = 0;
    int64_t lease_us = 0;
  };
  const std::map<std::string, Policy>& policies() const { return policies_; }

  struct Drawn {
    int64_t start_us = 0;
    uint64_t count = 0;
  };
  // By key id and policy.
  const std::map<std::pair<std::string, std::string>, Drawn>& drawn() const {
    return drawn_;
  }

 private:
  enum class State { kEnabled, kDisabled, kDestroyed };
  struct Version {
    State state = State::kEnabled;
    uint64_t releases = 0;
  };
  struct Key {
    std::string name;
    std::string policy;
    uint32_t primary = 0;
    std::vector<Version> versions;
  };
  struct Spent {
    std::string transcript;
    std::string key;
    uint32_t version = 0;
    uint64_t leaf = 0;
  };

  Verdict Judge(Form form, const ::storage::v1::Batch& batch,
                const DigestFn& digest_at);
  void StateClock(const ::storage::v1::Batch& batch);
  Outcome Do(const ::storage::v1::Batch& batch,
             const ::storage::v1::Command& command, BatchOutcome& result,
             uint32_t number);
  Outcome Release(const ::storage::v1::Batch& batch,
                  const ::storage::v1::Release& op, bool& refusal_leaf);
  v1::RefusalCode Change(const ::storage::v1::Command& command,
                         v1::AuditEntry::EventCase& event, Outcome& outcome);

  uint64_t index_ = 0;
  uint64_t leaves_ = 0;
  int64_t log_time_us_ = 0;
  uint64_t generation_ = 0;
  std::map<std::string, Instance> instances_;
  std::map<std::string, Key> keys_;
  std::map<std::string, Policy> policies_;
  std::map<std::string, Spent> spent_;
  std::map<std::pair<std::string, std::string>, Drawn> drawn_;
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_MODEL_H_
