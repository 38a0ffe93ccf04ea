#include "tests/simulation/client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "tests/simulation/bugs.h"

namespace kms::simulation {
namespace {

using storage::Applied;
using ::storage::v1::Command;

constexpr absl::Duration kChallengeLives = absl::Minutes(5);
constexpr absl::Duration kChallengeAhead = absl::Seconds(60);

}  // namespace

// ---------------------------------------------------------------------------
// Commands

Command CommandMaker::New() {
  Command command;
  command.set_salt(run_.random.Bytes(16));
  command.set_principal("alice");
  command.set_namespace_("default");
  command.set_proposed_at_us(run_.now_us());
  return command;
}

Command CommandMaker::Genesis(const Identity& first) {
  Command command = New();
  auto& genesis = *command.mutable_genesis();
  genesis.set_cluster_id(ClusterId());
  genesis.set_epoch(kEpoch);
  genesis.set_reason("init");
  genesis.set_feature_level(2);
  genesis.set_approval_threshold(1);
  genesis.set_epoch_started_us(run_.now_us());
  *genesis.mutable_first_instance() = Register(first).register_();
  genesis.mutable_first_instance()->clear_evidence_digest();
  return command;
}

Command CommandMaker::Register(const Identity& identity) {
  Command command = New();
  auto& op = *command.mutable_register_();
  op.set_instance_id(identity.id_bytes());
  op.set_public_key(identity.key->public_key());
  op.set_feature_level_min(1);
  op.set_feature_level_max(2);
  op.set_evidence_digest(std::string(32, 'e'));
  return command;
}

Command CommandMaker::PutPolicy(const std::string& name,
                                uint32_t expected_version, uint64_t quota,
                                absl::Duration window) {
  Command command = New();
  auto& op = *command.mutable_put_policy();
  op.set_name(name);
  op.set_source("rules: []");
  op.set_expected_version(expected_version);
  op.mutable_terms()->set_lease_us(60'000'000);
  op.mutable_terms()->set_quota_count(quota);
  op.mutable_terms()->set_quota_window_us(absl::ToInt64Microseconds(window));
  return command;
}

Command CommandMaker::CreateKey(const std::string& name,
                                const std::string& key_id,
                                const std::string& policy) {
  Command command = New();
  auto& op = *command.mutable_create_key();
  op.set_key_id(key_id);
  op.set_name(name);
  op.set_policy(policy);
  op.mutable_material()->set_wrapped("wrapped");
  return command;
}

// ---------------------------------------------------------------------------
// What a client wants

void Client::Step() {
  if (!operation_.has_value()) {
    if (run_.random.Percent(60)) Begin();
    return;
  }
  Operation& operation = *operation_;
  if (operation.node == nullptr) return Try();
  if (operation.node->life() != operation.life || !operation.node->running()) {
    return Elsewhere();  // The connection broke.
  }
  // A paused node sends nothing.
  if (!operation.node->paused) Poll();
  if (operation_.has_value() && operation_->node != nullptr &&
      run_.now > operation_->until) {
    Elsewhere();
  }
}

void Client::Begin() {
  operation_.emplace();
  operation_->floor = run_.checker.floor();
  operation_->tries_left = 4;
  const uint64_t choice = run_.random.Below(100);
  if (choice < 60) {
    operation_->kind = Kind::kRelease;
    BeginRelease();
  } else if (choice < 70) {
    operation_->kind = Kind::kRead;
    operation_->key_id = book_.keys[run_.random.Below(book_.keys.size())].id;
  } else {
    operation_->kind = Kind::kChange;
    if (!BeginChange()) operation_.reset();
  }
}

void Client::BeginRelease() {
  auto& request = operation_->release;
  const uint64_t choice = run_.random.Below(100);
  if (choice < 35 && !book_.releases.empty()) {
    request = book_.releases[run_.random.Below(book_.releases.size())];
    // A challenge that was used, for another request.
    if (choice < 12) request.transcript = run_.random.Bytes(64);
    // Often the very last, which may still be on its way.
    if (choice > 24) request = book_.releases.back();
  } else {
    request.key_id = book_.keys[run_.random.Below(book_.keys.size())].id;
    request.version = run_.random.Percent(80) ? 1 : 2;
    request.challenge = run_.random.Bytes(32);
    request.transcript = run_.random.Bytes(64);
    // Some are nearly over when they are used.
    request.expires_us =
        run_.now_us() + absl::ToInt64Microseconds(run_.random.OneIn(10)
                                                      ? absl::Milliseconds(100)
                                                      : kChallengeLives);
    book_.releases.push_back(request);
  }
}

bool Client::BeginChange() {
  Command& command = operation_->command;
  const auto& key = book_.keys[run_.random.Below(book_.keys.size())];
  const auto& policy = book_.policies[run_.random.Below(book_.policies.size())];
  if (!book_.joining.empty()) {
    command = make_.Register(IdentityOf(book_.joining.back()));
    book_.joining.pop_back();
    operation_->tries_left = 20;
    return true;
  }
  switch (run_.random.Below(10)) {
    case 0: {
      const std::string id = run_.random.Bytes(16);
      // A name is taken now and then.
      const uint64_t name = run_.random.OneIn(4) ? 0 : ++book_.names;
      command = make_.CreateKey(absl::StrCat("key-", name), id, policy.name);
      if (book_.keys.size() < 5) book_.keys.push_back({id});
      return true;
    }
    case 1:
    case 2: {
      command = make_.New();
      auto& op = *command.mutable_rotate_key();
      op.set_key_id(key.id);
      op.set_expected_primary(run_.random.Percent(70) ? 1 : 2);
      op.set_version(op.expected_primary() + 1);
      op.mutable_material()->set_wrapped("wrapped next");
      return true;
    }
    case 3: {
      command = make_.PutPolicy(
          policy.name, static_cast<uint32_t>(run_.random.Between(1, 2)),
          policy.quota, policy.window);
      return true;
    }
    case 4: {
      if (key.lifetime_quota != 0) return false;
      command = make_.New();
      command.mutable_set_key_policy()->set_key_id(key.id);
      command.mutable_set_key_policy()->set_policy(policy.name);
      return true;
    }
    default: {
      command = make_.New();
      auto& op = *command.mutable_set_key_version_state();
      op.set_key_id(key.id);
      op.set_version(run_.random.Percent(80) ? 1 : 2);
      const uint64_t state = run_.random.Below(10);
      op.set_state(state < 5   ? ::storage::v1::ENABLED
                   : state < 8 ? ::storage::v1::DISABLED
                               : ::storage::v1::DESTROYED);
      return true;
    }
  }
}

// ---------------------------------------------------------------------------
// One try at one node

Node* Client::PickNode() {
  // Some that are down are picked too: a client does not know.
  Node* const node = nodes_[run_.random.Below(nodes_.size())].get();
  return node->running() && !node->paused ? node : nullptr;
}

void Client::Elsewhere() {
  operation_->node = nullptr;
  operation_->pending.reset();
  operation_->read_tail.reset();
  if (--operation_->tries_left == 0) operation_.reset();
}

std::optional<Command> Client::Prepare(Node& node) {
  Operation& operation = *operation_;
  if (operation.kind == Kind::kChange) {
    Command command = operation.command;
    command.set_salt(run_.random.Bytes(16));
    return command;
  }
  // As kms/release: the challenge's age by this instance's clock, and what the
  // release was judged at.
  const auto now_us =
      run_.now_us() + absl::ToInt64Microseconds(node.clock_offset);
  if (now_us > operation.release.expires_us ||
      operation.release.expires_us >
          now_us +
              absl::ToInt64Microseconds(kChallengeLives + kChallengeAhead)) {
    return std::nullopt;
  }
  const auto view = node.replica().View();
  const auto key = view->GetKeyById("default", operation.release.key_id);
  if (!key.ok() || key->policy().empty()) return std::nullopt;
  const auto policy = view->GetPolicy("default", key->policy());
  if (!policy.ok()) return std::nullopt;
  Command command = make_.New();
  command.clear_principal();
  auto& op = *command.mutable_release();
  op.set_key_id(operation.release.key_id);
  op.set_version(operation.release.version);
  op.set_policy(key->policy());
  op.set_policy_version(policy->latest_version);
  op.set_appraisal_generation(view->appraisal_generation());
  op.set_challenge_hash(operation.release.challenge);
  if (Has(Bug::kNonceInMemory)) {
    // What was used is known here only: to the state each is another's.
    op.mutable_challenge_hash()->back() = static_cast<char>(node.number());
  }
  op.set_challenge_expires_us(operation.release.expires_us);
  op.set_transcript_digest(operation.release.transcript);
  op.set_evidence_digest(std::string(32, 'e'));
  op.set_claims_digest(std::string(32, 'c'));
  op.set_recipient_thumbprint(std::string(32, 'r'));
  op.set_kem_id(0x20);
  return command;
}

void Client::Try() {
  Operation& operation = *operation_;
  Node* const node = PickNode();
  if (node == nullptr) return Elsewhere();
  operation.node = node;
  operation.life = node->life();
  operation.until =
      run_.now + absl::Milliseconds(run_.random.Between(200, 4000));
  if (operation.kind == Kind::kRead) return;
  const std::optional<Command> command = Prepare(*node);
  if (!command.has_value()) return Elsewhere();
  operation.salt = command->salt();
  ::storage::v1::ApprovedCommand approved;
  approved.set_command(command->SerializeAsString());
  const auto pending = node->replica().Propose(approved);
  run_.trace.Add("ask node ", node->number(), " op ",
                 static_cast<int>(command->op_case()), " ",
                 absl::StatusCodeToString(pending.status().code()));
  if (!pending.ok()) return Elsewhere();
  operation.pending = *pending;
  if (Has(Bug::kReleaseBeforeCommit) && operation.kind == Kind::kRelease) {
    const auto view = node->replica().View();
    Applied early;
    early.effect.leaf = view->tree_size();
    early.tree_size = view->tree_size() + 1;
    early.tree_root = view->tree_root();
    early.position = {kEpoch, view->position().index + 1};
    early.proposed_at = run_.now;
    Answer(early);
  }
}

// ---------------------------------------------------------------------------
// What becomes of it

void Client::PollRead() {
  Operation& operation = *operation_;
  Node& node = *operation.node;
  if (Has(Bug::kStaleRead)) operation.read_tail = 0;
  if (!operation.read_tail.has_value()) {
    const auto tail = node.log().Tail();
    if (!tail.ok()) return Elsewhere();
    operation.read_tail = tail->index;
  }
  const auto view = node.replica().View();
  if (view->position().index < *operation.read_tail) return;
  run_.trace.Add("node ", node.number(), " read at ", view->position().index);
  if (!node.tainted) {
    run_.checker.OnRead(operation.key_id, operation.floor, *view);
  }
  operation_.reset();
}

void Client::Poll() {
  Operation& operation = *operation_;
  if (operation.kind == Kind::kRead) return PollRead();
  const auto& answer = operation.pending->answer();
  if (!answer.has_value()) return;
  if (answer->ok()) return Answer(**answer);
  run_.trace.Add("node ", operation.node->number(), " answers ",
                 absl::StatusCodeToString(answer->status().code()));
  if (!operation.node->tainted &&
      RefusalOf(answer->status()) == v1::LOG_UNAVAILABLE) {
    run_.checker.OnNotOrdered(operation.salt);
  }
  Elsewhere();
}

void Client::Answer(const Applied& applied) {
  Operation& operation = *operation_;
  Node& node = *operation.node;
  const absl::Duration age = run_.now - applied.proposed_at;
  run_.trace.Add("node ", node.number(), " answers ", applied.position.index,
                 " ", applied.effect.refusal);
  // As kms/release: what was held up does not leave.
  if (age > storage::kReplyAgeMax && !Has(Bug::kLateReply)) return Elsewhere();
  if (applied.effect.refusal == v1::APPRAISAL_STALE) {
    if (!node.tainted) {
      run_.checker.OnAnswer(operation.salt, operation.floor, age, applied,
                            *node.replica().View());
    }
    return Elsewhere();  // It is judged again.
  }
  if (!node.tainted) {
    const auto view = node.replica().View();
    run_.checker.OnAnswer(operation.salt, operation.floor, age, applied, *view);
    if (operation.kind == Kind::kRelease &&
        (applied.effect.ok() || Has(Bug::kRefusalIgnored))) {
      uint64_t quota = 0;
      for (const auto& key : book_.keys) {
        if (key.id == operation.release.key_id && !book_.clocks_lie) {
          quota = key.lifetime_quota;
        }
      }
      run_.checker.OnReleased(operation.release, applied, quota, *view);
    }
  }
  operation_.reset();
}

}  // namespace kms::simulation
