#include "tests/simulation/checker.h"

#include <algorithm>
#include <utility>

#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/merkle.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/state/batch_codec.h"
#include "tests/simulation/cluster_keys.h"

namespace kms::simulation {
namespace {

using storage::Applied;
using storage::StateView;
using ::storage::v1::Command;
using ::storage::v1::StateHeader;

// How old an answer may be that still leaves (review.md 26).
constexpr absl::Duration kAnswerAgeMax = absl::Seconds(2);

std::string NodeHash(const std::string& left, const std::string& right) {
  return crypto::Sha256(AsBytes("\x01" + left + right));
}

std::string Describe(const Outcome& outcome) {
  return absl::StrCat(
      "refusal ", outcome.refusal, " leaf ",
      outcome.leaf.has_value() ? absl::StrCat(*outcome.leaf) : "none",
      " repeat of ",
      outcome.repeat_of.has_value() ? absl::StrCat(*outcome.repeat_of) : "none",
      " version ", outcome.version, " lease ", outcome.lease_until_us);
}

Outcome OutcomeOf(const storage::Effect& effect) {
  return {effect.refusal, effect.leaf, effect.repeat_of, effect.version,
          effect.lease_until_us};
}

std::string DescribeKey(const StateView& view, const std::string& key_id) {
  const auto key = view.GetKeyById("default", key_id);
  if (absl::IsNotFound(key.status())) return "";
  if (!key.ok()) return key.status().ToString();
  std::string line = absl::StrCat("policy ", key->policy(), " primary ",
                                  key->primary_version());
  for (const auto& version : key->versions()) {
    absl::StrAppend(&line, " ", static_cast<int>(version.state()), ":",
                    version.releases());
  }
  return line;
}

}  // namespace

void Checker::OnEntry(const storage::LogEntry& entry) {
  Entry& added = entries_.emplace_back();
  added.sealed_digest = crypto::Sha256(AsBytes(entry.batch));
  const auto form = forms_.find(added.sealed_digest);
  if (form != forms_.end()) added.form = form->second;
  const auto padded = storage::OpenEntry(ClusterEnvelope(), entry.batch);
  if (!padded.ok()) return Violation("an entry does not open");
  const auto signed_bytes = storage::UnpadBatch(*padded);
  ::storage::v1::SignedBatch signed_batch;
  if (!signed_bytes.ok() ||
      !signed_batch.ParseFromString(std::string(*signed_bytes)) ||
      !added.batch.ParseFromString(signed_batch.batch())) {
    added.form = Model::Form::kNoBatch;
    added.batch.Clear();
  }
}

storage::BatchId Checker::IdAt(uint64_t index) const {
  const auto& batch = entries_.at(index - 1).batch;
  storage::BatchId id;
  std::copy_n(batch.instance_id().begin(),
              std::min(batch.instance_id().size(), id.instance.bytes.size()),
              id.instance.bytes.begin());
  id.incarnation = batch.incarnation();
  id.sequence = batch.sequence();
  return id;
}

// Puts the next entry through the model.
void Checker::Advance() {
  Entry& entry = At(model_.index() + 1);
  entry.outcome = model_.Apply(entry.form, entry.batch, [this](uint64_t index) {
    return At(index).digest;
  });
  const uint64_t index = model_.index();
  entry.leaves = model_.leaves();
  entry.log_time_us = model_.log_time_us();
  entry.generation = model_.generation();
  if (entry.outcome.verdict == Verdict::kApplied) {
    for (const auto& approved : entry.batch.commands()) {
      Command command;
      command.ParseFromString(approved.command());
      const auto [applied, fresh] = applied_.emplace(command.salt(), index);
      if (!fresh) {
        Violation("a command was applied twice, at ", applied->second, " and ",
                  index);
      }
      if (not_ordered_.count(command.salt()) != 0) {
        Violation("a command that was answered \"not ordered\" is at ", index);
      }
    }
  }
  for (const std::string& id : model_.key_ids()) {
    auto& history = keys_[id];
    std::string line = model_.DescribeKey(id);
    if (history.empty() || history.back().second != line) {
      history.emplace_back(index, std::move(line));
    }
  }
  if (keep_models_) models_.push_back(model_);
  CheckClock();
}

void Checker::CheckClock() {
  size_t stated = 0;
  size_t ahead = 0;
  for (const auto& [id, instance] : model_.instances()) {
    if (instance.fenced || instance.clock_us == 0) continue;
    ++stated;
    if (instance.clock_us > now_us_) ++ahead;
  }
  // Most of the clocks at or above the lower median would have to be wrong.
  if (ahead >= stated - (stated - 1) / 2) clocks_were_bad_ = true;
  if (!clocks_were_bad_ && model_.log_time_us() > now_us_) {
    Violation("log time at ", model_.index(), " passes the true time by ",
              model_.log_time_us() - now_us_, " us");
  }
}

void Checker::OnRollback(uint64_t index) {
  entries_.resize(index);
  if (model_.index() > index) model_ = models_.at(index - 1);
  models_.resize(std::min<size_t>(models_.size(), index));
  const uint64_t leaves = model_.leaves();
  const std::vector<std::string> hashes(
      leaf_hashes_.begin(),
      leaf_hashes_.begin() + static_cast<int64_t>(std::min<uint64_t>(
                                 leaves, leaf_hashes_.size())));
  leaf_hashes_.clear();
  forest_.clear();
  for (const std::string& hash : hashes) AddLeaf(hash);
  for (auto& [id, history] : keys_) {
    std::erase_if(history, [&](const auto& h) { return h.first > index; });
  }
  std::erase_if(applied_, [&](const auto& a) { return a.second > index; });
  std::erase_if(challenges_,
                [&](const auto& c) { return c.second.index > index; });
  std::erase_if(heads_, [&](const auto& h) { return h.second.second > index; });
  for (auto& [key, drawn] : drawn_) {
    std::erase_if(drawn, [&](const auto& d) { return d.second > index; });
  }
  floor_ = std::min(floor_, index);
}

void Checker::OnCommit(size_t node, const StateHeader& header,
                       const std::vector<std::string>& leaves) {
  const uint64_t index = header.index();
  if (index > entries_.size()) {
    return Violation("node ", node, " applied ", index, ", the log ends at ",
                     entries_.size());
  }
  if (index > model_.index() + 1) {
    return Violation("node ", node, " applied ", index, " after ",
                     model_.index(), " was the last anywhere");
  }
  if (index == model_.index() + 1) Advance();
  Entry& entry = At(index);
  if (entry.digest.empty()) {
    entry.digest = header.digest();
    entry.row_sum = header.row_sum();
    CheckLeaves(entry, index, leaves);
    entry.root = Root();
  }
  const auto same = [&](absl::string_view what, const auto& is,
                        const auto& want) {
    if (is != want) {
      Violation("node ", node, " at ", index, ": wrong ", what);
    }
  };
  same("log time", header.log_time_us(), entry.log_time_us);
  same("number of leaves", header.tree_size(), entry.leaves);
  same("appraisal generation", header.appraisal_generation(), entry.generation);
  same("tree root", header.tree_root(), entry.root);
  same("row sum", header.row_sum(), entry.row_sum);
  same("digest", header.digest(), entry.digest);
}

void Checker::CheckLeaves(const Entry& entry, uint64_t index,
                          const std::vector<std::string>& leaves) {
  const auto& want = entry.outcome.leaves;
  if (leaves.size() != want.size()) {
    return Violation("entry ", index, ": ", leaves.size(), " leaves, want ",
                     want.size());
  }
  for (size_t i = 0; i < leaves.size(); ++i) {
    v1::AuditEntry leaf;
    if (!leaf.ParseFromString(leaves[i]) ||
        leaf.event_case() != want[i].event ||
        leaf.command() != want[i].command || leaf.index() != index ||
        leaf.log_time_us() != entry.log_time_us ||
        leaf.proposer_time_us() != entry.batch.clock_us() ||
        (!want[i].salt.empty() && leaf.salt() != want[i].salt)) {
      Violation("entry ", index, ": leaf ", i, " is not of its command");
    }
    AddLeaf(crypto::Sha256(AsBytes(std::string(1, '\0') + leaves[i])));
  }
}

void Checker::AddLeaf(const std::string& hash) {
  leaf_hashes_.push_back(hash);
  forest_.emplace_back(1, hash);
  while (forest_.size() > 1 &&
         forest_[forest_.size() - 2].first == forest_.back().first) {
    const auto right = std::move(forest_.back());
    forest_.pop_back();
    forest_.back() = {2 * right.first,
                      NodeHash(forest_.back().second, right.second)};
  }
}

std::string Checker::Root() const {
  if (forest_.empty()) return crypto::Sha256({});
  std::string root = forest_.back().second;
  for (auto tree = forest_.rbegin() + 1; tree != forest_.rend(); ++tree) {
    root = NodeHash(tree->second, root);
  }
  return root;
}

void Checker::OnAnswer(const std::string& salt, uint64_t floor,
                       absl::Duration age, const Applied& applied,
                       const StateView& view) {
  const uint64_t index = applied.position.index;
  if (index == 0 || index > model_.index() || view.position().index < index) {
    return Violation("an answer from ", index, ", which is not applied");
  }
  if (index <= floor) {
    Violation("an answer from ", index, " to a request made after one from ",
              floor);
  }
  if (age > kAnswerAgeMax) {
    Violation("an answer left ", absl::FormatDuration(age),
              " after its proposal");
  }
  const Entry& entry = At(index);
  size_t number = 0;
  for (const auto& approved : entry.batch.commands()) {
    Command command;
    command.ParseFromString(approved.command());
    if (command.salt() == salt) break;
    ++number;
  }
  if (number >= entry.outcome.commands.size()) {
    return Violation("an answer from ", index,
                     ", which does not hold its command");
  }
  const Outcome want = entry.outcome.commands[number];
  const Outcome is = OutcomeOf(applied.effect);
  if (is != want) {
    Violation("an answer from ", index, ": ", Describe(is), ", want ",
              Describe(want));
  }
  if (applied.tree_size != entry.leaves || applied.tree_root != entry.root ||
      applied.log_time_us != entry.log_time_us) {
    Violation("an answer from ", index, " with another tree or log time");
  }
  ++answers_;
  heads_[applied.tree_size] = {applied.tree_root, index};
  floor_ = std::max(floor_, index);
}

void Checker::OnReleased(const ReleaseRequest& request, const Applied& applied,
                         uint64_t lifetime_quota, const StateView& view) {
  // The leaf is in the tree that the answer shows, and says what was released.
  if (!applied.effect.leaf.has_value() ||
      *applied.effect.leaf >= applied.tree_size) {
    return Violation("a release was answered before its leaf");
  }
  const uint64_t index = *applied.effect.leaf;
  const auto bytes = view.GetLeaf(index);
  v1::AuditEntry leaf;
  if (!bytes.ok() || !leaf.ParseFromString(*bytes) ||
      leaf.released().challenge_hash() != request.challenge ||
      leaf.released().transcript_digest() != request.transcript ||
      leaf.released().key_id() != request.key_id ||
      leaf.released().version() != request.version) {
    return Violation("a release was answered whose leaf is another's");
  }
  const auto proof = view.InclusionProof(index, applied.tree_size);
  if (!proof.ok() ||
      !crypto::VerifyInclusion(index, applied.tree_size,
                               AsBytes(crypto::LeafHash(AsBytes(*bytes))),
                               *proof, AsBytes(applied.tree_root))
           .ok()) {
    Violation("no valid inclusion proof of leaf ", index);
  }

  const auto [found, fresh] = challenges_.try_emplace(request.challenge);
  Got& got = found->second;
  if (fresh) {
    got = {request.transcript, applied.position.index, false};
  } else if (got.transcript != request.transcript) {
    Violation("one challenge released to two transcripts");
  }
  const bool first = !applied.effect.repeat_of.has_value();
  if (first && got.first) Violation("one challenge was released first twice");
  got.first = got.first || first;

  auto& drawn = drawn_[request.key_id];
  drawn.emplace(request.challenge, applied.position.index);
  if (lifetime_quota != 0 && drawn.size() > lifetime_quota) {
    Violation("a key released ", drawn.size(), " times, want at most ",
              lifetime_quota);
  }
}

void Checker::OnRead(const std::string& key_id, uint64_t floor,
                     const StateView& view) {
  const uint64_t index = view.position().index;
  if (index < floor) {
    return Violation("a read of the state at ", index, " after an answer from ",
                     floor);
  }
  std::string want;
  for (const auto& [from, line] : keys_[key_id]) {
    if (from <= index) want = line;
  }
  const std::string is = DescribeKey(view, key_id);
  if (is != want) {
    Violation("a key read at ", index, ": ", is, ", want ", want);
  }
}

void Checker::CheckState(const StateView& view) {
  if (view.position().index != model_.index()) {
    return Violation("the state is at ", view.position().index, ", want ",
                     model_.index());
  }
  for (const std::string& id : model_.key_ids()) OnRead(id, 0, view);
  for (const auto& [name, want] : model_.policies()) {
    const auto policy = view.GetPolicy("default", name);
    if (!policy.ok() || policy->latest_version != want.version ||
        policy->record.terms().quota_count() != want.quota) {
      Violation("policy ", name, " is not the model's");
    }
  }
  for (const auto& [key, want] : model_.drawn()) {
    const auto quota = view.GetQuota("default", key.first, key.second);
    const auto policy = model_.policies().find(key.second);
    const bool over =
        policy->second.quota != 0 &&
        model_.log_time_us() >= want.start_us + policy->second.window_us;
    if (!quota.ok() || (policy->second.quota != 0 &&
                        quota->drawn() != (over ? 0 : want.count))) {
      Violation("quota of policy ", key.second, " is not the model's");
    }
  }
  for (const auto& [id, want] : model_.instances()) {
    const auto instance = view.GetInstance(id);
    if (!instance.ok() || instance->incarnation() != want.incarnation ||
        instance->sequence() != want.sequence ||
        instance->fenced() != want.fenced) {
      Violation("an instance's record is not the model's");
    }
  }
}

void Checker::CheckProofs(const StateView& view) {
  for (const auto& [size, head] : heads_) {
    if (size > view.tree_size()) {
      Violation("a head of ", size, " leaves was shown, the tree has ",
                view.tree_size());
      continue;
    }
    const auto proof = view.ConsistencyProof(size, view.tree_size());
    if (!proof.ok() || !crypto::VerifyConsistency(size, view.tree_size(),
                                                  *proof, AsBytes(head.first),
                                                  AsBytes(view.tree_root()))
                            .ok()) {
      Violation("no valid consistency proof from ", size, " to ",
                view.tree_size(), " leaves");
    }
  }
}

}  // namespace kms::simulation
