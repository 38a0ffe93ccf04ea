// A consistent, read-only view of the state after one log entry. Everything
// that one request reads comes from one view; its position goes with what was
// decided on it.
//
// Source: architecture.md, "Top level", `storage/`.
// Thread-safe. Cheap to take (StateMachine::View): one a request. A view that
// is kept keeps old rows on disk, so requests let it go when they end. It must
// not outlive the state machine's engine and envelope.
// Key material comes out as it is stored: sealed under the storage key, bound
// to its place by KeyMaterialAad. Nothing here can open it.
#ifndef STORAGE_STATE_STATE_VIEW_H_
#define STORAGE_STATE_STATE_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/engine/engine.h"
#include "storage/log/log_position.h"
#include "storage/state/merkle_log.h"
#include "storage/state/row_key.h"
#include "storage/state/row_store.h"

namespace kms::storage {

// Associated data of a key version's material: its namespace, key id and
// version.
std::string KeyMaterialAad(absl::string_view name_space,
                           absl::string_view key_id, uint32_t version);

// Every reading function returns, besides what it says:
//   kDataLoss: a row does not authenticate in its place, or does not parse.
//   the engine's codes.
// NOT_FOUND is the refusal (kNotFound).
class StateView {
 public:
  StateView(std::unique_ptr<const EngineReader> snapshot,
            const Envelope& envelope, std::shared_ptr<const NameHasher> names,
            ::storage::v1::StateHeader header, MerkleEdge edge,
            uint64_t settings_index);

  // As of when: {0, 0} and an empty header before the Genesis entry.
  LogPosition position() const { return {header_.epoch(), header_.index()}; }
  const ::storage::v1::StateHeader& header() const { return header_; }

  // An index, at most the position's, since which no entry has changed a key, a
  // policy or anything else but the books of releases. Views of one cluster and
  // epoch that agree on it say the same of all those, so what was read from one
  // may be remembered for the others.
  uint64_t settings_index() const { return settings_index_; }

  // --- Keys. The versions' `releases` and `last_used_us` are filled in.
  // NOT_FOUND. ---
  absl::StatusOr<::storage::v1::KeyRecord> GetKey(absl::string_view name_space,
                                                  absl::string_view name) const;
  // Without `releases`, which cost a scan: for those who do not show them.
  absl::StatusOr<::storage::v1::KeyRecord> GetKeyUncounted(
      absl::string_view name_space, absl::string_view name) const;
  absl::StatusOr<::storage::v1::KeyRecord> GetKeyById(
      absl::string_view name_space, absl::string_view key_id) const;

  // The sealed material of a version. NOT_FOUND: no such version.
  // VERSION_DESTROYED: there is none any more. A disabled version's material
  // is returned: whoever uses it asks for the state first.
  absl::StatusOr<::storage::v1::KeyMaterial> GetKeyMaterial(
      absl::string_view name_space, absl::string_view key_id,
      uint32_t version) const;

  // At most `limit` keys of a namespace whose id is greater than `after_id`
  // (empty: from the first), in the order of their random ids: decrypted page
  // by page, no index of names is kept. `releases` is not filled in. A page
  // shorter than `limit` is the last.
  absl::StatusOr<std::vector<::storage::v1::KeyRecord>> ListKeys(
      absl::string_view name_space, absl::string_view after_id,
      size_t limit) const;

  // At most `limit` keys of any namespace whose rotation is due by the view's
  // log time, the longest due first. None while a jump of the clock waits to be
  // confirmed.
  absl::StatusOr<std::vector<::storage::v1::KeyRecord>> ListDueRotations(
      size_t limit) const;

  // --- Policies. NOT_FOUND. ---
  struct Policy {
    uint32_t version;
    uint32_t latest_version;
    uint32_t active_version;  // 0: none, as is the next.
    uint32_t shadow_version;
    ::storage::v1::PolicyState state;  // Of `version`.
    ::storage::v1::PolicyVersionRecord record;
  };
  // The active version if none is named; NO_POLICY: none is active.
  absl::StatusOr<Policy> GetPolicy(
      absl::string_view name_space, absl::string_view name,
      std::optional<uint32_t> version = std::nullopt) const;
  // Which versions there are, without any of them.
  absl::StatusOr<::storage::v1::PolicyRecord> GetPolicyRecord(
      absl::string_view name_space, absl::string_view name) const;

  // All policies of a namespace, ordered by name.
  absl::StatusOr<std::vector<::storage::v1::PolicyRecord>> ListPolicies(
      absl::string_view name_space) const;

  // --- Reference Values. NOT_FOUND. ---
  absl::StatusOr<::storage::v1::ReferenceSetRecord> GetReferenceSet(
      absl::string_view name_space, absl::string_view name) const;
  absl::StatusOr<::storage::v1::ReferenceVersionRecord> GetReferenceVersion(
      absl::string_view name_space, absl::string_view name,
      uint32_t version) const;
  // All sets of a namespace, ordered by name.
  absl::StatusOr<std::vector<::storage::v1::ReferenceSetRecord>>
  ListReferenceSets(absl::string_view name_space) const;

  // --- What appraisal reads. ---
  absl::StatusOr<::storage::v1::AnchorRecord> GetAnchor(
      absl::string_view name) const;  // NOT_FOUND
  absl::StatusOr<std::vector<::storage::v1::AnchorRecord>> ListAnchors() const;
  // Collateral that is kept, by role and subject; without contents.
  absl::StatusOr<std::vector<::storage::v1::CollateralRecord>> ListCollateral()
      const;
  // NOT_FOUND, also once it was removed; as is the next.
  absl::StatusOr<::storage::v1::CollateralRecord> GetCollateral(
      absl::string_view role, absl::string_view subject) const;
  absl::StatusOr<std::string> GetCollateralContent(
      absl::string_view role, absl::string_view subject) const;
  // By type of Evidence, ascending.
  absl::StatusOr<std::vector<::storage::v1::DenyListRecord>> ListDenyLists()
      const;
  absl::StatusOr<std::vector<::storage::v1::KillSwitchRecord>>
  ListKillSwitches() const;

  uint64_t appraisal_generation() const {
    return header_.appraisal_generation();
  }

  // --- What a release would meet now. ---
  // Drawn from the window that is open at the header's log time; a row of a
  // window that has ended, or none, is {0, 0}.
  absl::StatusOr<::storage::v1::QuotaRecord> GetQuota(
      absl::string_view name_space, absl::string_view key_id,
      absl::string_view policy) const;
  // Nothing: not spent, or pruned since it expired.
  absl::StatusOr<std::optional<::storage::v1::SpentChallengeRecord>>
  FindSpentChallenge(absl::string_view challenge_hash) const;

  // --- Instances, in the order of their ids. ---
  absl::StatusOr<::storage::v1::InstanceRecord> GetInstance(
      absl::string_view instance_id) const;  // NOT_FOUND
  absl::StatusOr<std::vector<::storage::v1::InstanceRecord>> ListInstances()
      const;

  // The state's digest after the entry at `position`; nothing if that is not of
  // this epoch, not applied here or no more among the last 4,096.
  absl::StatusOr<std::optional<std::string>> DigestAt(
      LogPosition position) const;

  // --- The Merkle log (RFC 6962 hashing). ---
  uint64_t tree_size() const { return header_.tree_size(); }
  const std::string& tree_root() const { return header_.tree_root(); }

  // A leaf's bytes (a serialized kms.v1.AuditEntry; never re-serialize it).
  // NOT_FOUND: not below tree_size().
  absl::StatusOr<std::string> GetLeaf(uint64_t index) const;
  // Up to `limit` leaves from `first` on.
  absl::StatusOr<std::vector<std::string>> GetLeaves(uint64_t first,
                                                     size_t limit) const;

  // RFC 6962, section 2.1.1 and 2.1.2: each hash is 32 bytes.
  // NOT_FOUND: not index < size <= tree_size(), not 0 < first <= second <=
  // tree_size().
  absl::StatusOr<std::vector<std::string>> InclusionProof(uint64_t index,
                                                          uint64_t size) const;
  absl::StatusOr<std::vector<std::string>> ConsistencyProof(
      uint64_t first, uint64_t second) const;
  // The root when the tree had `size` leaves.
  absl::StatusOr<std::string> RootAt(uint64_t size) const;

 private:
  friend class Scrubber;
  friend class SnapshotWriter;  // storage/snapshot

  absl::StatusOr<::storage::v1::KeyRecord> FindKey(
      absl::string_view tag, absl::string_view key_id) const;
  absl::Status FillReleases(absl::string_view tag,
                            ::storage::v1::KeyRecord& key) const;

  std::unique_ptr<const EngineReader> snapshot_;
  RowReader rows_;
  std::shared_ptr<const NameHasher> names_;
  ::storage::v1::StateHeader header_;
  MerkleEdge edge_;
  const uint64_t settings_index_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_STATE_VIEW_H_
