#include "tests/simulation/model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace kms::simulation {
namespace {

using ::storage::v1::Batch;
using ::storage::v1::Command;

// From the text of the design, not from a header of the code under test.
constexpr int64_t kHourUs = 3'600'000'000;
constexpr uint32_t kFeatureLevel = 2;

}  // namespace

BatchOutcome Model::Apply(Form form, const Batch& batch,
                          const DigestFn& digest_at) {
  BatchOutcome result;
  ++index_;
  if (index_ == 1) {
    Command genesis;
    genesis.ParseFromString(batch.commands(0).command());
    instances_[batch.instance_id()] = {1, 1, batch.clock_us(), false};
    generation_ = 1;
    log_time_us_ = batch.clock_us();
    result.commands.push_back({});
    result.commands[0].leaf = leaves_++;
    result.leaves.push_back(
        {v1::AuditEntry::kClusterStarted, 0, genesis.salt()});
    return result;
  }
  result.verdict = Judge(form, batch, digest_at);
  if (result.verdict == Verdict::kDuplicate) return result;
  if (result.verdict != Verdict::kApplied) {
    ++leaves_;
    result.leaves.push_back({v1::AuditEntry::kBatchRejected, 0, ""});
    return result;
  }
  StateClock(batch);
  for (int i = 0; i < batch.commands_size(); ++i) {
    Command command;
    command.ParseFromString(batch.commands(i).command());
    result.commands.push_back(
        Do(batch, command, result, static_cast<uint32_t>(i)));
  }
  return result;
}

Verdict Model::Judge(Form form, const Batch& batch, const DigestFn& digest_at) {
  if (form == Form::kNoBatch) return Verdict::kMalformed;
  const auto found = instances_.find(batch.instance_id());
  if (found == instances_.end() || found->second.fenced ||
      form == Form::kBadlySigned) {
    return Verdict::kUnknown;
  }
  Instance& instance = found->second;
  const auto number = std::pair(batch.incarnation(), batch.sequence());
  if (number <= std::pair(instance.incarnation, instance.sequence)) {
    return Verdict::kDuplicate;
  }
  const uint64_t next =
      batch.incarnation() > instance.incarnation ? 1 : instance.sequence + 1;
  instance.incarnation = batch.incarnation();
  instance.sequence = batch.sequence();
  // Every history here is shorter than the 4,096 digests that are kept, so
  // nothing is stale.
  const bool of_this_history =
      batch.sequence() == next && batch.applied_index() < index_ &&
      batch.applied_index() > 0 &&
      batch.applied_digest() == digest_at(batch.applied_index());
  if (!of_this_history) {
    instance.fenced = true;
    return Verdict::kDiverged;
  }
  if (batch.feature_level() > kFeatureLevel || batch.clock_us() <= 0) {
    return Verdict::kMalformed;
  }
  return Verdict::kApplied;
}

void Model::StateClock(const Batch& batch) {
  instances_[batch.instance_id()].clock_us = batch.clock_us();
  std::vector<int64_t> clocks;
  for (const auto& [id, instance] : instances_) {
    if (!instance.fenced && instance.clock_us != 0) {
      clocks.push_back(instance.clock_us);
    }
  }
  std::sort(clocks.begin(), clocks.end());
  log_time_us_ = std::max(log_time_us_, clocks[(clocks.size() - 1) / 2]);
}

Outcome Model::Do(const Batch& batch, const Command& command,
                  BatchOutcome& result, uint32_t number) {
  Outcome outcome;
  v1::AuditEntry::EventCase event = v1::AuditEntry::EVENT_NOT_SET;
  bool leaf = false;
  if (command.has_release()) {
    bool refusal_leaf = false;
    outcome = Release(batch, command.release(), refusal_leaf);
    const bool done = outcome.refusal == v1::REFUSAL_CODE_UNSPECIFIED;
    event = done ? v1::AuditEntry::kReleased : v1::AuditEntry::kRefused;
    leaf = done || refusal_leaf;
  } else {
    outcome.refusal = Change(command, event, outcome);
    leaf = outcome.refusal == v1::REFUSAL_CODE_UNSPECIFIED;
  }
  if (leaf) {
    outcome.leaf = leaves_++;
    result.leaves.push_back({event, number, command.salt()});
  }
  return outcome;
}

Outcome Model::Release(const Batch& batch, const ::storage::v1::Release& op,
                       bool& refusal_leaf) {
  Outcome outcome;
  const auto refuse = [&](v1::RefusalCode code, bool leaf) {
    outcome.refusal = code;
    refusal_leaf = leaf;
    return outcome;
  };
  if (op.challenge_expires_us() > batch.clock_us() + kHourUs) {
    return refuse(v1::REQUEST_MALFORMED, false);
  }
  const auto found = keys_.find(op.key_id());
  if (found == keys_.end()) return refuse(v1::NOT_FOUND, false);
  Key& key = found->second;
  if (key.policy.empty()) return refuse(v1::NO_POLICY, true);
  if (op.version() > key.versions.size()) return refuse(v1::NOT_FOUND, true);
  Version& version = key.versions[op.version() - 1];
  if (version.state == State::kDisabled) {
    return refuse(v1::VERSION_DISABLED, true);
  }
  if (version.state == State::kDestroyed) {
    return refuse(v1::VERSION_DESTROYED, true);
  }
  const Policy& policy = policies_[key.policy];
  if (op.policy() != key.policy || op.policy_version() != policy.version ||
      op.appraisal_generation() != generation_) {
    return refuse(v1::APPRAISAL_STALE, false);
  }
  if (log_time_us_ > op.challenge_expires_us()) {
    return refuse(v1::CHALLENGE_EXPIRED, true);
  }
  const auto spent = spent_.find(op.challenge_hash());
  const bool repeat = spent != spent_.end();
  if (repeat && (spent->second.transcript != op.transcript_digest() ||
                 spent->second.key != op.key_id() ||
                 spent->second.version != op.version())) {
    return refuse(v1::CHALLENGE_SPENT, true);
  }
  if (!repeat && policy.quota != 0) {
    auto [drawn, fresh] = drawn_.try_emplace({op.key_id(), key.policy});
    Drawn& window = drawn->second;
    if (fresh || log_time_us_ >= window.start_us + policy.window_us) {
      // A refused command writes nothing, but a full window is never new.
      window = {log_time_us_, 0};
    }
    if (window.count >= policy.quota) {
      return refuse(v1::QUOTA_EXHAUSTED, true);
    }
    ++window.count;
  }
  outcome.version = op.version();
  outcome.lease_until_us = log_time_us_ + policy.lease_us;
  if (repeat) {
    outcome.repeat_of = spent->second.leaf;
  } else {
    ++version.releases;
    spent_[op.challenge_hash()] = {op.transcript_digest(), op.key_id(),
                                   op.version(), leaves_};
  }
  return outcome;
}

v1::RefusalCode Model::Change(const Command& command,
                              v1::AuditEntry::EventCase& event,
                              Outcome& outcome) {
  const auto key_of = [this](const std::string& id) {
    const auto found = keys_.find(id);
    return found == keys_.end() ? nullptr : &found->second;
  };
  switch (command.op_case()) {
    case Command::kRegister: {
      event = v1::AuditEntry::kInstanceRegistered;
      const auto& id = command.register_().instance_id();
      if (instances_.count(id) != 0) return v1::ALREADY_EXISTS;
      instances_[id] = {};
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    case Command::kPutPolicy: {
      event = v1::AuditEntry::kPolicyPut;
      const auto& op = command.put_policy();
      const auto found = policies_.find(op.name());
      const uint32_t latest =
          found == policies_.end() ? 0 : found->second.version;
      if (op.expected_version() != latest) return v1::VERSION_CONFLICT;
      policies_[op.name()] = {latest + 1, op.terms().quota_count(),
                              op.terms().quota_window_us(),
                              op.terms().lease_us()};
      ++generation_;
      outcome.version = latest + 1;
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    case Command::kCreateKey: {
      event = v1::AuditEntry::kKeyCreated;
      const auto& op = command.create_key();
      for (const auto& [id, key] : keys_) {
        if (id == op.key_id() || key.name == op.name()) {
          return v1::ALREADY_EXISTS;
        }
      }
      if (!op.policy().empty() && policies_.count(op.policy()) == 0) {
        return v1::NOT_FOUND;
      }
      keys_[op.key_id()] = {op.name(), op.policy(), 1, {Version()}};
      outcome.version = 1;
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    case Command::kRotateKey: {
      event = v1::AuditEntry::kKeyRotated;
      const auto& op = command.rotate_key();
      Key* const key = key_of(op.key_id());
      if (key == nullptr) return v1::NOT_FOUND;
      if (op.expected_primary() != key->primary ||
          op.version() != key->versions.size() + 1) {
        return v1::VERSION_CONFLICT;
      }
      key->versions.push_back({});
      key->primary = op.version();
      outcome.version = op.version();
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    case Command::kSetKeyVersionState: {
      event = v1::AuditEntry::kKeyVersionStateSet;
      const auto& op = command.set_key_version_state();
      Key* const key = key_of(op.key_id());
      if (key == nullptr || op.version() < 1 ||
          op.version() > key->versions.size()) {
        return v1::NOT_FOUND;
      }
      State& state = key->versions[op.version() - 1].state;
      if (state == State::kDestroyed) return v1::VERSION_DESTROYED;
      state = op.state() == ::storage::v1::ENABLED    ? State::kEnabled
              : op.state() == ::storage::v1::DISABLED ? State::kDisabled
                                                      : State::kDestroyed;
      if (state == State::kDestroyed && key->primary == op.version()) {
        key->primary = 0;
      }
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    case Command::kSetKeyPolicy: {
      event = v1::AuditEntry::kKeyPolicySet;
      const auto& op = command.set_key_policy();
      Key* const key = key_of(op.key_id());
      if (key == nullptr ||
          (!op.policy().empty() && policies_.count(op.policy()) == 0)) {
        return v1::NOT_FOUND;
      }
      key->policy = op.policy();
      ++generation_;
      return v1::REFUSAL_CODE_UNSPECIFIED;
    }
    default:
      return v1::REQUEST_MALFORMED;
  }
}

std::string Model::DescribeKey(const std::string& key_id) const {
  const auto found = keys_.find(key_id);
  if (found == keys_.end()) return "";
  const Key& key = found->second;
  std::string line =
      absl::StrCat("policy ", key.policy, " primary ", key.primary);
  for (const Version& version : key.versions) {
    absl::StrAppend(&line, " ", static_cast<int>(version.state) + 1, ":",
                    version.releases);
  }
  return line;
}

std::vector<std::string> Model::key_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, key] : keys_) ids.push_back(id);
  return ids;
}

}  // namespace kms::simulation
