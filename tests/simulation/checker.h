// The independent checker of a run. Its truth is the log itself, as the service
// holds it: each entry goes through the model once, and everything that an
// instance writes, answers or shows is held against what the model made of it.
//
// Held here: one total order, each entry applied once and in order, equal
// digests and row sums at equal positions, log time, every leaf's content and
// the tree's root, every answer's effect and place, linearizability (an
// operation that began after an answer comes after it in the order), audit
// before answer, nothing acknowledged lost, nothing declared "not ordered"
// ordered, quotas and challenges by what clients got alone, current reads,
// proofs between all heads handed out.
//
// An instance that was shown a history which the others do not share, or whose
// own entries the log has lost, is *tainted*: from then on nothing it says
// counts, only what the others make of it. Thread-compatible.
#ifndef TESTS_SIMULATION_CHECKER_H_
#define TESTS_SIMULATION_CHECKER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/storage/v1/command.pb.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/log/shared_log.h"
#include "storage/replica/replica.h"
#include "storage/state/state_view.h"
#include "tests/simulation/model.h"

namespace kms::simulation {

class Checker {
 public:
  // Of one client's release, whatever retries it took.
  struct ReleaseRequest {
    std::string key_id;
    uint32_t version = 0;
    std::string challenge;
    int64_t expires_us = 0;  // The challenge.
    std::string transcript;
  };

  // With it, histories are kept, so that Rollback can return to one.
  explicit Checker(bool keep_models) : keep_models_(keep_models) {}

  // The first breach of a promise; empty: none so far.
  const std::string& violation() const { return violation_; }
  template <typename... Parts>
  void Violation(const Parts&... parts) {
    if (violation_.empty()) violation_ = absl::StrCat(parts...);
  }

  // --- The truth. ---
  // The next entry of the log.
  void OnEntry(const storage::LogEntry& entry);
  uint64_t tail() const { return entries_.size(); }
  // The log has lost all after `index`.
  void OnRollback(uint64_t index);
  // What a batch that no healthy instance made is, by its sealed digest.
  void Declare(const std::string& sealed_digest, Model::Form form) {
    forms_[sealed_digest] = form;
  }

  // --- What an untainted instance does. ---
  // One Apply's write: the header, and the leaves added.
  void OnCommit(size_t node, const ::storage::v1::StateHeader& header,
                const std::vector<std::string>& leaves);
  // A command that it said is not in the log and never will be.
  void OnNotOrdered(const std::string& salt) { not_ordered_.insert(salt); }
  // An answer to a client who asked when `floor` was the last position known
  // to be answered, for the command of this salt; `age`: since it was
  // proposed. `view`: what the instance shows as it answers.
  void OnAnswer(const std::string& salt, uint64_t floor, absl::Duration age,
                const storage::Applied& applied,
                const storage::StateView& view);
  // The same, of a release that succeeded. `lifetime_quota`: how many its
  // policies ever allow the key; 0: there is no such number.
  void OnReleased(const ReleaseRequest& request,
                  const storage::Applied& applied, uint64_t lifetime_quota,
                  const storage::StateView& view);
  // What a client who asked for the current state of a key was shown.
  void OnRead(const std::string& key_id, uint64_t floor,
              const storage::StateView& view);
  // The last position that any client has been answered from.
  uint64_t floor() const { return floor_; }

  // All of a view, against the model. REQUIRES: it is at the tail.
  void CheckState(const storage::StateView& view);
  // A consistency proof from every head handed out.
  void CheckProofs(const storage::StateView& view);

  // The true time, which log time must not pass while most clocks are good.
  void SetNow(int64_t now_us) { now_us_ = now_us; }

  // Of an entry of the log.
  storage::BatchId IdAt(uint64_t index) const;
  const std::string& DigestAt(uint64_t index) const {
    return entries_.at(index - 1).digest;
  }
  uint64_t answers() const { return answers_; }

  // As of the last entry that any untainted instance has applied.
  const Model& model() const { return model_; }

 private:
  struct Entry {
    ::storage::v1::Batch batch;
    std::string sealed_digest;
    Model::Form form = Model::Form::kSigned;
    // Once it went through the model.
    BatchOutcome outcome;
    uint64_t leaves = 0;  // After it; as are the next ones.
    int64_t log_time_us = 0;
    uint64_t generation = 0;
    // As the first instance had it, which all others must.
    std::string digest;
    std::string row_sum;
    std::string root;
  };

  Entry& At(uint64_t index) { return entries_[index - 1]; }
  void Advance();
  void CheckLeaves(const Entry& entry, uint64_t index,
                   const std::vector<std::string>& leaves);
  void AddLeaf(const std::string& hash);
  std::string Root() const;
  void CheckClock();

  const bool keep_models_;
  std::string violation_;
  std::vector<Entry> entries_;  // From index 1.
  std::map<std::string, Model::Form> forms_;
  Model model_;
  std::vector<Model> models_;  // After each entry, if they are kept.
  std::vector<std::string> leaf_hashes_;
  // Roots of complete subtrees, largest first, of the leaves so far.
  std::vector<std::pair<uint64_t, std::string>> forest_;
  // What each key was, from which position on.
  std::map<std::string, std::vector<std::pair<uint64_t, std::string>>> keys_;
  std::map<std::string, uint64_t> applied_;  // Salt of an applied command.
  std::set<std::string> not_ordered_;
  uint64_t floor_ = 0;
  uint64_t answers_ = 0;
  int64_t now_us_ = 0;
  bool clocks_were_bad_ = false;  // Most of them, at some time.

  // By what clients got, and nothing else.
  struct Got {
    std::string transcript;
    uint64_t index = 0;
    bool first = false;  // An answer said that it was the first release.
  };
  std::map<std::string, Got> challenges_;
  // Of each key: challenges released first, and where.
  std::map<std::string, std::map<std::string, uint64_t>> drawn_;
  // Heads handed out, by size: root, and the last position they are of.
  std::map<uint64_t, std::pair<std::string, uint64_t>> heads_;
};

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_CHECKER_H_
