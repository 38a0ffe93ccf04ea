#include "storage/state/state_view.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "storage/state/limits.h"
#include "storage/state/policy_states.h"

namespace kms::storage {
namespace {

using ::storage::v1::AnchorRecord;
using ::storage::v1::CollateralRecord;
using ::storage::v1::InstanceRecord;
using ::storage::v1::KeyRecord;
using ::storage::v1::KeyVersionRecord;
using ::storage::v1::PolicyRecord;
using ::storage::v1::PolicyVersionRecord;
using ::storage::v1::ReferenceSetRecord;
using ::storage::v1::ReferenceVersionRecord;

absl::Status NotFound(absl::string_view subject) {
  return Refuse(v1::NOT_FOUND, absl::StrCat(subject, ": no such ", subject));
}

template <typename Record>
absl::Status AppendRecord(const RowKey& key, const std::string& value,
                          std::vector<Record>& records) {
  Record record;
  if (!record.ParseFromString(value)) {
    return RowLoss(key.family(), "does not parse");
  }
  records.push_back(std::move(record));
  return absl::OkStatus();
}

template <typename Record>
absl::StatusOr<std::vector<Record>> ReadAll(const RowReader& rows,
                                            absl::string_view prefix,
                                            absl::string_view after,
                                            size_t limit) {
  std::vector<Record> records;
  KMS_RETURN_IF_ERROR(rows.Scan(prefix, after, limit,
                                [&](const RowKey& key, std::string value) {
                                  return AppendRecord(key, value, records);
                                }));
  return records;
}

template <typename Record>
void SortByName(std::vector<Record>& records) {
  std::sort(
      records.begin(), records.end(),
      [](const Record& a, const Record& b) { return a.name() < b.name(); });
}

}  // namespace

std::string KeyMaterialAad(absl::string_view name_space,
                           absl::string_view key_id, uint32_t version) {
  return RowAad(name_space, "key-material",
                ByteWriter().Bytes(key_id).U32Be(version).str());
}

StateView::StateView(std::unique_ptr<const EngineReader> snapshot,
                     const Envelope& envelope,
                     std::shared_ptr<const NameHasher> names,
                     ::storage::v1::StateHeader header, MerkleEdge edge,
                     uint64_t settings_index)
    : snapshot_(std::move(snapshot)),
      rows_(*snapshot_, envelope),
      names_(std::move(names)),
      header_(std::move(header)),
      edge_(std::move(edge)),
      settings_index_(settings_index) {}

absl::StatusOr<KeyRecord> StateView::GetKey(absl::string_view name_space,
                                            absl::string_view name) const {
  const std::string tag = names_->Namespace(name_space);
  KMS_ASSIGN_OR_RETURN(KeyRecord key, GetKeyUncounted(name_space, name));
  KMS_RETURN_IF_ERROR(FillReleases(tag, key));
  return key;
}

absl::StatusOr<KeyRecord> StateView::GetKeyUncounted(
    absl::string_view name_space, absl::string_view name) const {
  KMS_ASSIGN_OR_RETURN(const auto found,
                       rows_.GetRecord<::storage::v1::KeyNameRecord>(
                           names_->KeyName(name_space, name)));
  if (!found.has_value()) return NotFound("key");
  return FindKey(names_->Namespace(name_space), found->key_id());
}

absl::StatusOr<KeyRecord> StateView::GetKeyById(
    absl::string_view name_space, absl::string_view key_id) const {
  const std::string tag = names_->Namespace(name_space);
  KMS_ASSIGN_OR_RETURN(KeyRecord key, FindKey(tag, key_id));
  KMS_RETURN_IF_ERROR(FillReleases(tag, key));
  return key;
}

absl::StatusOr<KeyRecord> StateView::FindKey(absl::string_view tag,
                                             absl::string_view key_id) const {
  if (key_id.size() != kIdBytes) return NotFound("key");
  KMS_ASSIGN_OR_RETURN(auto key,
                       rows_.GetRecord<KeyRecord>(KeyRow(tag, key_id)));
  if (!key.has_value()) return NotFound("key");
  return *std::move(key);
}

absl::Status StateView::FillReleases(absl::string_view tag,
                                     KeyRecord& key) const {
  const std::string prefix =
      FamilyPrefix(Family::kReleaseCount, tag) + key.key_id();
  return rows_.Scan(
      prefix, {}, EngineReader::kNoLimit,
      [&](const RowKey& row, std::string value) -> absl::Status {
        ::storage::v1::ReleaseCountRecord count;
        if (!count.ParseFromString(value)) {
          return RowLoss(row.family(), "does not parse");
        }
        const uint32_t version =
            ByteReader(AsBytes(row.id().substr(kIdBytes))).U32Be();
        if (version < 1 || version > key.last_version()) {
          return RowLoss(row.family(), "is of no version");
        }
        // Versions are dense and ascending.
        auto& info = *key.mutable_versions(static_cast<int>(version) - 1);
        info.set_releases(count.releases());
        info.set_last_used_us(count.last_us());
        return absl::OkStatus();
      });
}

absl::StatusOr<::storage::v1::KeyMaterial> StateView::GetKeyMaterial(
    absl::string_view name_space, absl::string_view key_id,
    uint32_t version) const {
  if (key_id.size() != kIdBytes) return NotFound("key");
  KMS_ASSIGN_OR_RETURN(auto record,
                       rows_.GetRecord<KeyVersionRecord>(KeyVersionRow(
                           names_->Namespace(name_space), key_id, version)));
  if (!record.has_value()) return NotFound("key version");
  if (!record->has_material()) {
    return Refuse(v1::VERSION_DESTROYED, "key version: destroyed");
  }
  return std::move(*record->mutable_material());
}

absl::StatusOr<std::vector<KeyRecord>> StateView::ListKeys(
    absl::string_view name_space, absl::string_view after_id,
    size_t limit) const {
  const std::string tag = names_->Namespace(name_space);
  const std::string prefix = FamilyPrefix(Family::kKey, tag);
  const std::string after =
      after_id.empty() ? "" : absl::StrCat(prefix, after_id);
  return ReadAll<KeyRecord>(rows_, prefix, after, limit);
}

absl::StatusOr<std::vector<KeyRecord>> StateView::ListDueRotations(
    size_t limit) const {
  std::vector<KeyRecord> keys;
  if (header_.clock_jump_to_us() != 0) return keys;
  KMS_RETURN_IF_ERROR(rows_.Scan(
      FamilyPrefix(Family::kRotation), {}, limit,
      [&](const RowKey& row, std::string) -> absl::Status {
        const DueKey due = ParseDueKey(row);
        if (due.due_us > header_.log_time_us()) return absl::OkStatus();
        KMS_ASSIGN_OR_RETURN(KeyRecord key, FindKey(due.tag, due.key_id));
        keys.push_back(std::move(key));
        return absl::OkStatus();
      }));
  return keys;
}

absl::StatusOr<PolicyRecord> StateView::GetPolicyRecord(
    absl::string_view name_space, absl::string_view name) const {
  KMS_ASSIGN_OR_RETURN(auto policy, rows_.GetRecord<PolicyRecord>(
                                        names_->Policy(name_space, name)));
  if (!policy.has_value()) return NotFound("policy");
  return *std::move(policy);
}

absl::StatusOr<StateView::Policy> StateView::GetPolicy(
    absl::string_view name_space, absl::string_view name,
    std::optional<uint32_t> version) const {
  KMS_ASSIGN_OR_RETURN(const PolicyRecord policy,
                       GetPolicyRecord(name_space, name));
  Policy found;
  found.latest_version = policy.version();
  found.active_version = ActiveVersion(policy);
  found.shadow_version = policy.shadow_version();
  found.version = version.value_or(found.active_version);
  if (!version.has_value() && found.active_version == 0) {
    return Refuse(v1::NO_POLICY, "policy: none of its versions is active");
  }
  KMS_ASSIGN_OR_RETURN(
      auto record, rows_.GetRecord<PolicyVersionRecord>(
                       names_->PolicyVersion(name_space, name, found.version)));
  if (!record.has_value()) return NotFound("policy version");
  found.state = StateOf(policy, found.version, *record);
  found.record = *std::move(record);
  return found;
}

absl::StatusOr<std::vector<PolicyRecord>> StateView::ListPolicies(
    absl::string_view name_space) const {
  KMS_ASSIGN_OR_RETURN(
      auto policies,
      ReadAll<PolicyRecord>(
          rows_, FamilyPrefix(Family::kPolicy, names_->Namespace(name_space)),
          {}, EngineReader::kNoLimit));
  SortByName(policies);
  return policies;
}

absl::StatusOr<ReferenceSetRecord> StateView::GetReferenceSet(
    absl::string_view name_space, absl::string_view name) const {
  KMS_ASSIGN_OR_RETURN(auto set, rows_.GetRecord<ReferenceSetRecord>(
                                     names_->ReferenceSet(name_space, name)));
  if (!set.has_value()) return NotFound("reference set");
  return *std::move(set);
}

absl::StatusOr<ReferenceVersionRecord> StateView::GetReferenceVersion(
    absl::string_view name_space, absl::string_view name,
    uint32_t version) const {
  KMS_ASSIGN_OR_RETURN(
      auto record, rows_.GetRecord<ReferenceVersionRecord>(
                       names_->ReferenceVersion(name_space, name, version)));
  if (!record.has_value()) return NotFound("reference set's version");
  return *std::move(record);
}

absl::StatusOr<std::vector<ReferenceSetRecord>> StateView::ListReferenceSets(
    absl::string_view name_space) const {
  KMS_ASSIGN_OR_RETURN(
      auto sets,
      ReadAll<ReferenceSetRecord>(
          rows_,
          FamilyPrefix(Family::kReferenceSet, names_->Namespace(name_space)),
          {}, EngineReader::kNoLimit));
  SortByName(sets);
  return sets;
}

absl::StatusOr<AnchorRecord> StateView::GetAnchor(
    absl::string_view name) const {
  KMS_ASSIGN_OR_RETURN(auto anchor,
                       rows_.GetRecord<AnchorRecord>(names_->Anchor(name)));
  if (!anchor.has_value()) return NotFound("anchor");
  return *std::move(anchor);
}

absl::StatusOr<std::vector<AnchorRecord>> StateView::ListAnchors() const {
  KMS_ASSIGN_OR_RETURN(
      auto anchors, ReadAll<AnchorRecord>(rows_, FamilyPrefix(Family::kAnchor),
                                          {}, EngineReader::kNoLimit));
  SortByName(anchors);
  return anchors;
}

absl::StatusOr<std::vector<CollateralRecord>> StateView::ListCollateral()
    const {
  KMS_ASSIGN_OR_RETURN(auto all, ReadAll<CollateralRecord>(
                                     rows_, FamilyPrefix(Family::kCollateral),
                                     {}, EngineReader::kNoLimit));
  all.erase(std::remove_if(
                all.begin(), all.end(),
                [](const CollateralRecord& item) { return item.removed(); }),
            all.end());
  std::sort(all.begin(), all.end(),
            [](const CollateralRecord& a, const CollateralRecord& b) {
              return std::tie(a.role(), a.subject()) <
                     std::tie(b.role(), b.subject());
            });
  return all;
}

absl::StatusOr<CollateralRecord> StateView::GetCollateral(
    absl::string_view role, absl::string_view subject) const {
  KMS_ASSIGN_OR_RETURN(auto item, rows_.GetRecord<CollateralRecord>(
                                      names_->Collateral(role, subject)));
  if (!item.has_value() || item->removed()) return NotFound("collateral");
  return *std::move(item);
}

absl::StatusOr<std::string> StateView::GetCollateralContent(
    absl::string_view role, absl::string_view subject) const {
  KMS_ASSIGN_OR_RETURN(auto record,
                       rows_.GetRecord<::storage::v1::CollateralContentRecord>(
                           names_->CollateralContent(role, subject)));
  if (!record.has_value()) return NotFound("collateral");
  return std::move(*record->mutable_content());
}

absl::StatusOr<std::vector<::storage::v1::DenyListRecord>>
StateView::ListDenyLists() const {
  return ReadAll<::storage::v1::DenyListRecord>(
      rows_, FamilyPrefix(Family::kDenyList), {}, EngineReader::kNoLimit);
}

absl::StatusOr<std::vector<::storage::v1::KillSwitchRecord>>
StateView::ListKillSwitches() const {
  return ReadAll<::storage::v1::KillSwitchRecord>(
      rows_, FamilyPrefix(Family::kKillSwitch), {}, EngineReader::kNoLimit);
}

absl::StatusOr<::storage::v1::QuotaRecord> StateView::GetQuota(
    absl::string_view name_space, absl::string_view key_id,
    absl::string_view policy) const {
  using ::storage::v1::QuotaRecord;
  if (key_id.size() != kIdBytes) return NotFound("key");
  KMS_ASSIGN_OR_RETURN(const Policy terms, GetPolicy(name_space, policy));
  KMS_ASSIGN_OR_RETURN(
      const auto quota,
      rows_.GetRecord<QuotaRecord>(names_->Quota(name_space, key_id, policy)));
  if (!quota.has_value() ||
      header_.log_time_us() >=
          quota->window_start_us() + terms.record.terms().quota_window_us()) {
    return QuotaRecord();
  }
  return *quota;
}

absl::StatusOr<std::optional<::storage::v1::SpentChallengeRecord>>
StateView::FindSpentChallenge(absl::string_view challenge_hash) const {
  if (challenge_hash.size() != kSha256Bytes) {
    return Refuse(v1::REQUEST_MALFORMED, "challenge hash: not 32 bytes");
  }
  return rows_.GetRecord<::storage::v1::SpentChallengeRecord>(
      SpentRow(challenge_hash));
}

absl::StatusOr<InstanceRecord> StateView::GetInstance(
    absl::string_view instance_id) const {
  if (instance_id.size() != kIdBytes) return NotFound("instance");
  KMS_ASSIGN_OR_RETURN(
      auto record, rows_.GetRecord<InstanceRecord>(InstanceRow(instance_id)));
  if (!record.has_value()) return NotFound("instance");
  return *std::move(record);
}

absl::StatusOr<std::optional<std::string>> StateView::DigestAt(
    LogPosition position) const {
  KMS_ASSIGN_OR_RETURN(
      const auto record,
      rows_.GetRecord<::storage::v1::DigestRecord>(DigestRow(position.index)));
  if (!record.has_value() || record->epoch() != position.epoch ||
      record->index() != position.index) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(record->digest());
}

absl::StatusOr<std::vector<InstanceRecord>> StateView::ListInstances() const {
  return ReadAll<InstanceRecord>(rows_, FamilyPrefix(Family::kInstance), {},
                                 EngineReader::kNoLimit);
}

absl::StatusOr<std::string> StateView::GetLeaf(uint64_t index) const {
  if (index >= tree_size()) return NotFound("leaf");
  KMS_ASSIGN_OR_RETURN(auto leaf, rows_.Get(LeafRow(index)));
  if (!leaf.has_value()) return RowLoss(Family::kLeaf, "is missing");
  return *std::move(leaf);
}

absl::StatusOr<std::vector<std::string>> StateView::GetLeaves(
    uint64_t first, size_t limit) const {
  std::vector<std::string> leaves;
  for (uint64_t i = first; i < tree_size() && leaves.size() < limit; ++i) {
    KMS_ASSIGN_OR_RETURN(std::string leaf, GetLeaf(i));
    leaves.push_back(std::move(leaf));
  }
  return leaves;
}

absl::StatusOr<std::vector<std::string>> StateView::InclusionProof(
    uint64_t index, uint64_t size) const {
  if (index >= size || size > tree_size()) return NotFound("leaf");
  return storage::InclusionProof(edge_, rows_, index, size);
}

absl::StatusOr<std::vector<std::string>> StateView::ConsistencyProof(
    uint64_t first, uint64_t second) const {
  if (first == 0 || first > second || second > tree_size()) {
    return NotFound("tree size");
  }
  return storage::ConsistencyProof(edge_, rows_, first, second);
}

absl::StatusOr<std::string> StateView::RootAt(uint64_t size) const {
  if (size > tree_size()) return NotFound("tree size");
  return storage::RootAt(edge_, rows_, size);
}

}  // namespace kms::storage
