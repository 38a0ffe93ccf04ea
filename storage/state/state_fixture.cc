#include "storage/state/state_fixture.h"

#include <map>
#include <utility>

#include "gtest/gtest.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "storage/envelope/keyring.h"
#include "storage/state/batch_codec.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

std::string Numbered(absl::string_view domain, uint64_t n) {
  return crypto::Sha512(AsBytes(ByteWriter().Field(domain).U64Be(n).str()));
}

// One keyring a process: engines of one test open each other's rows.
std::shared_ptr<const Keyring> TestKeyring() {
  static const auto* const keyring = [] {
    auto generated = Keyring::Generate();
    EXPECT_TRUE(generated.ok()) << generated.status();
    return new std::shared_ptr<const Keyring>(
        std::make_shared<const Keyring>(*std::move(generated)));
  }();
  return *keyring;
}

}  // namespace

std::string TestId(uint64_t n, size_t size) {
  return Numbered("id", n).substr(0, size);
}

TestInstance MakeTestInstance(uint64_t n) {
  static auto& keys =
      *new std::map<uint64_t,
                    std::shared_ptr<const crypto::Ed25519SigningKey>>();
  auto& key = keys[n];
  if (key == nullptr) {
    auto generated = crypto::Ed25519SigningKey::Generate();
    EXPECT_TRUE(generated.ok()) << generated.status();
    key = std::make_shared<const crypto::Ed25519SigningKey>(
        *std::move(generated));
  }
  TestInstance instance;
  instance.id = Numbered("instance", n).substr(0, 16);
  instance.key = key;
  return instance;
}

StateFixture::StateFixture()
    : envelope_(NewEnvelope()), first_(MakeTestInstance(1)) {}

std::unique_ptr<Envelope> StateFixture::NewEnvelope() const {
  auto envelope = Envelope::Create(TestKeyring());
  EXPECT_TRUE(envelope.ok()) << envelope.status();
  return *std::move(envelope);
}

Command StateFixture::NewCommand() {
  Command command;
  command.set_salt(Numbered("salt", ++salt_).substr(0, 16));
  command.set_principal("alice");
  command.set_namespace_("default");
  command.set_proposed_at_us(now_us);
  return command;
}

Command StateFixture::Genesis(
    uint32_t threshold, const std::vector<::storage::v1::Approver>& approvers) {
  Command command = NewCommand();
  auto& genesis = *command.mutable_genesis();
  genesis.set_cluster_id(TestId(0));
  genesis.set_epoch(1);
  genesis.set_reason("init");
  genesis.set_feature_level(kFeatureLevelMax);
  genesis.set_approval_threshold(threshold);
  genesis.set_epoch_started_us(now_us);
  for (const auto& approver : approvers) *genesis.add_approvers() = approver;
  *genesis.mutable_first_instance() = Register(first_).register_();
  genesis.mutable_first_instance()->clear_evidence_digest();
  return command;
}

Command StateFixture::Register(const TestInstance& instance) {
  Command command = NewCommand();
  auto& op = *command.mutable_register_();
  op.set_instance_id(instance.id);
  op.set_public_key(instance.key->public_key());
  op.set_feature_level_min(kFeatureLevelMin);
  op.set_feature_level_max(kFeatureLevelMax);
  op.set_evidence_digest(std::string(32, 'e'));
  return command;
}

Command StateFixture::PutPolicy(absl::string_view name,
                                uint32_t expected_version, uint64_t quota,
                                int64_t window_us) {
  Command command = NewCommand();
  auto& op = *command.mutable_put_policy();
  op.set_name(std::string(name));
  op.set_source("rules: []");
  op.set_expected_version(expected_version);
  op.mutable_terms()->set_lease_us(60'000'000);
  op.mutable_terms()->set_quota_count(quota);
  op.mutable_terms()->set_quota_window_us(window_us);
  return command;
}

Command StateFixture::SetPolicyState(absl::string_view name, uint32_t version,
                                     ::storage::v1::PolicyState state,
                                     uint32_t expected_active) {
  Command command = NewCommand();
  auto& op = *command.mutable_set_policy_state();
  op.set_name(std::string(name));
  op.set_version(version);
  op.set_state(state);
  op.set_expected_active(expected_active);
  return command;
}

Command StateFixture::PutReferenceSet(absl::string_view name,
                                      uint32_t expected_version) {
  Command command = NewCommand();
  auto& op = *command.mutable_put_reference_set();
  op.set_name(std::string(name));
  op.set_expected_version(expected_version);
  op.add_values("a");
  op.add_values("b");
  op.set_format("corim");
  op.set_file_digest(std::string(32, 'f'));
  op.set_signer("acme");
  op.set_signer_spki_digest(std::string(32, 's'));
  op.set_signed_us(kTestStartUs);
  return command;
}

Command StateFixture::CreateKey(absl::string_view name,
                                const std::string& key_id,
                                absl::string_view policy) {
  Command command = NewCommand();
  auto& op = *command.mutable_create_key();
  op.set_key_id(key_id);
  op.set_name(std::string(name));
  op.set_policy(std::string(policy));
  op.mutable_material()->set_wrapped("wrapped 1 of " + std::string(name));
  return command;
}

Command StateFixture::RotateKey(const std::string& key_id, uint32_t primary) {
  Command command = NewCommand();
  auto& op = *command.mutable_rotate_key();
  op.set_key_id(key_id);
  op.set_expected_primary(primary);
  op.set_version(primary + 1);
  op.mutable_material()->set_wrapped("wrapped next");
  return command;
}

Command StateFixture::SetKeyVersionState(const std::string& key_id,
                                         uint32_t version,
                                         ::storage::v1::KeyVersionState state) {
  Command command = NewCommand();
  auto& op = *command.mutable_set_key_version_state();
  op.set_key_id(key_id);
  op.set_version(version);
  op.set_state(state);
  return command;
}

Command StateFixture::PutAnchor(absl::string_view name) {
  Command command = NewCommand();
  auto& op = *command.mutable_put_anchor();
  op.set_name(std::string(name));
  op.set_evidence_type(1);
  op.set_certificate("der");
  op.set_spki_digest(std::string(32, 's'));
  return command;
}

Command StateFixture::PutCollateral(absl::string_view subject, uint8_t number) {
  Command command = NewCommand();
  auto& op = *command.mutable_put_collateral();
  op.set_role("crl");
  op.set_subject(std::string(subject));
  op.set_evidence_type(1);
  op.set_number(std::string(1, static_cast<char>(number)));
  op.set_issued_us(kTestStartUs + number * kDayUs);
  op.set_next_update_us(op.issued_us() + 30 * kDayUs);
  op.set_content("crl " + std::string(subject) + std::to_string(number));
  op.set_digest(crypto::Sha256(AsBytes(op.content())));
  return command;
}

Command StateFixture::RemoveCollateral(absl::string_view subject) {
  Command command = NewCommand();
  command.mutable_remove_collateral()->set_role("crl");
  command.mutable_remove_collateral()->set_subject(std::string(subject));
  return command;
}

Command StateFixture::PutDenyList(uint32_t type,
                                  const std::vector<std::string>& entries,
                                  uint32_t expected_version) {
  Command command = NewCommand();
  auto& op = *command.mutable_put_deny_list();
  op.set_evidence_type(type);
  op.set_expected_version(expected_version);
  for (const std::string& entry : entries) op.add_entries(entry);
  return command;
}

Command StateFixture::SetKillSwitch(uint32_t type, bool on) {
  Command command = NewCommand();
  command.mutable_set_kill_switch()->set_evidence_type(type);
  command.mutable_set_kill_switch()->set_on(on);
  return command;
}

Command StateFixture::Release(const std::string& key_id, uint64_t n,
                              uint64_t generation) {
  Command command = NewCommand();
  command.clear_principal();
  auto& op = *command.mutable_release();
  op.set_key_id(key_id);
  op.set_version(1);
  op.set_policy("p");
  op.set_policy_version(1);
  op.set_appraisal_generation(generation);
  op.set_challenge_hash(Numbered("challenge", n).substr(0, 32));
  op.set_challenge_expires_us(now_us + 300'000'000);
  op.set_transcript_digest(Numbered("transcript", n));
  op.set_evidence_digest(std::string(32, 'e'));
  op.set_claims_digest(std::string(32, 'c'));
  op.set_recipient_thumbprint(std::string(32, 'r'));
  op.set_kem_id(0x20);
  return command;
}

Batch StateFixture::NewBatch(TestInstance& instance, const StateView& view,
                             const std::vector<Command>& commands) {
  Batch batch;
  batch.set_instance_id(instance.id);
  batch.set_incarnation(instance.incarnation);
  batch.set_sequence(++instance.sequence);
  batch.set_applied_epoch(view.position().epoch);
  batch.set_applied_index(view.position().index);
  batch.set_applied_digest(view.header().digest());
  batch.set_clock_us(now_us);
  batch.set_feature_level(view.header().feature_level());
  for (const Command& command : commands) {
    batch.add_commands()->set_command(command.SerializeAsString());
  }
  return batch;
}

std::string StateFixture::Seal(const TestInstance& instance,
                               const Batch& batch) const {
  auto sealed = SealBatch(*envelope_, *instance.key, batch);
  EXPECT_TRUE(sealed.ok()) << sealed.status();
  return *std::move(sealed);
}

FedMachine::FedMachine(StateFixture& fixture, Engine& engine)
    : FedMachine(fixture, engine, fixture.Genesis()) {}

FedMachine::FedMachine(StateFixture& fixture, Engine& engine,
                       const Command& genesis)
    : fixture_(fixture) {
  auto machine = StateMachine::Open(engine, fixture.envelope());
  EXPECT_TRUE(machine.ok()) << machine.status();
  machine_ = *std::move(machine);
  Start(genesis);
}

void FedMachine::Start(const Command& genesis) {
  fixture_.first().incarnation = 1;
  fixture_.first().sequence = 0;
  const auto result = Feed(
      fixture_.Seal(fixture_.first(),
                    fixture_.NewBatch(fixture_.first(), *view(), {genesis})));
  EXPECT_TRUE(result.ok()) << result.status();
}

std::vector<Effect> FedMachine::Do(const std::vector<Command>& commands) {
  auto result = Feed(
      fixture_.Seal(fixture_.first(),
                    fixture_.NewBatch(fixture_.first(), *view(), commands)));
  EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->verdict, BatchVerdict::kApplied);
  EXPECT_EQ(result->effects.size(), commands.size());
  return std::move(result->effects);
}

absl::StatusOr<BatchResult> FedMachine::Feed(std::string sealed) {
  LogEntry entry;
  entry.position = {1, log_.size() + 1};
  entry.batch = std::move(sealed);
  log_.push_back(entry);
  return machine_->Apply(entry);
}

}  // namespace kms::storage
