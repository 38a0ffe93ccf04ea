#include "storage/state/row_key.h"

#include <array>

#include "absl/base/attributes.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "storage/state/limits.h"

namespace kms::storage {
namespace {

constexpr std::array<FamilyInfo, 26> kFamilies = {{
    {Family::kHeader, "header", false, 0, false},
    {Family::kInstance, "instance", false, kIdBytes, true},
    {Family::kApprover, "approver", false, kEd25519KeyBytes, true},
    {Family::kDigest, "digest", false, 4, true},
    {Family::kKey, "key", true, kIdBytes, true},
    {Family::kKeyName, "key-name", true, kNameHashBytes, true},
    {Family::kKeyVersion, "key-version", true, kIdBytes + 4, true},
    {Family::kReleaseCount, "release-count", true, kIdBytes + 4, true},
    {Family::kPolicy, "policy", true, kNameHashBytes, true},
    {Family::kPolicyVersion, "policy-version", true, kNameHashBytes + 4, true},
    {Family::kAnchor, "anchor", false, kNameHashBytes, true},
    {Family::kSpent, "spent", false, kSha256Bytes, true},
    {Family::kSpentExpiry, "spent-expiry", false, 8 + kSha256Bytes, true},
    {Family::kQuota, "quota", true, kIdBytes + kNameHashBytes, true},
    {Family::kRefusalRate, "refusal-rate", true, kIdBytes, true},
    {Family::kLeaf, "leaf", false, 8, false},
    {Family::kTile, "tile", false, 9, false},
    {Family::kCollateral, "collateral", false, kNameHashBytes, true},
    {Family::kCollateralContent, "collateral-content", false, kNameHashBytes,
     true},
    {Family::kDenyList, "deny-list", false, 4, true},
    {Family::kKillSwitch, "kill-switch", false, 4, true},
    {Family::kDestruction, "destruction", false,
     8 + kNamespaceTagBytes + kIdBytes + 4, true},
    {Family::kRotation, "rotation", false, 8 + kNamespaceTagBytes + kIdBytes,
     true},
    {Family::kLeases, "leases", true, kIdBytes + kNameHashBytes, true},
    {Family::kReferenceSet, "reference-set", true, kNameHashBytes, true},
    {Family::kReferenceVersion, "reference-version", true, kNameHashBytes + 4,
     true},
}};

std::string IdAndVersion(absl::string_view id, uint32_t version) {
  return ByteWriter().Bytes(id).U32Be(version).Take();
}

size_t TagSize(const FamilyInfo& info) {
  return info.has_namespace ? kNamespaceTagBytes : 0;
}

}  // namespace

absl::Span<const FamilyInfo> Families() { return kFamilies; }

const FamilyInfo& InfoOf(Family family) {
  // The table is dense: a family's number is its place plus one.
  return kFamilies[static_cast<size_t>(family) - 1];
}

absl::string_view RowKey::namespace_tag() const {
  return absl::string_view(bytes_).substr(1, TagSize(InfoOf(family())));
}

absl::string_view RowKey::id() const {
  return absl::string_view(bytes_).substr(1 + TagSize(InfoOf(family())));
}

absl::StatusOr<RowKey> ParseRowKey(absl::string_view bytes) {
  const size_t family = bytes.empty() ? 0 : static_cast<uint8_t>(bytes.front());
  if (family < 1 || family > kFamilies.size()) {
    return absl::InvalidArgumentError("row key: unknown family");
  }
  const FamilyInfo& info = kFamilies[family - 1];
  if (bytes.size() != 1 + TagSize(info) + info.id_size) {
    return absl::InvalidArgumentError("row key: not its family's length");
  }
  return RowKey(std::string(bytes));
}

RowKey MakeRowKey(Family family, absl::string_view namespace_tag,
                  absl::string_view id) {
  std::string bytes = FamilyPrefix(family, namespace_tag);
  bytes.append(id.data(), id.size());
  return RowKey(std::move(bytes));
}

std::string FamilyPrefix(Family family, absl::string_view namespace_tag) {
  std::string prefix;
  prefix.reserve(1 + 16 + 48);
  prefix.push_back(static_cast<char>(family));
  prefix.append(namespace_tag.data(), namespace_tag.size());
  return prefix;
}

RowKey HeaderRow() { return MakeRowKey(Family::kHeader, {}, {}); }

RowKey InstanceRow(absl::string_view instance_id) {
  return MakeRowKey(Family::kInstance, {}, instance_id);
}

RowKey ApproverRow(absl::string_view public_key) {
  return MakeRowKey(Family::kApprover, {}, public_key);
}

RowKey DigestRow(uint64_t index) {
  const auto slot = static_cast<uint32_t>(index % kDigestWindow);
  return MakeRowKey(Family::kDigest, {}, ByteWriter().U32Be(slot).str());
}

RowKey KeyRow(absl::string_view tag, absl::string_view key_id) {
  return MakeRowKey(Family::kKey, tag, key_id);
}

RowKey KeyVersionRow(absl::string_view tag, absl::string_view key_id,
                     uint32_t version) {
  return MakeRowKey(Family::kKeyVersion, tag, IdAndVersion(key_id, version));
}

RowKey ReleaseCountRow(absl::string_view tag, absl::string_view key_id,
                       uint32_t version) {
  return MakeRowKey(Family::kReleaseCount, tag, IdAndVersion(key_id, version));
}

RowKey PolicyVersionRow(absl::string_view tag, absl::string_view name_hash,
                        uint32_t version) {
  return MakeRowKey(Family::kPolicyVersion, tag,
                    IdAndVersion(name_hash, version));
}

RowKey SpentRow(absl::string_view challenge_hash) {
  return MakeRowKey(Family::kSpent, {}, challenge_hash);
}

RowKey SpentExpiryRow(int64_t expires_us, absl::string_view challenge_hash) {
  return MakeRowKey(Family::kSpentExpiry, {},
                    ByteWriter()
                        .U64Be(static_cast<uint64_t>(expires_us))
                        .Bytes(challenge_hash)
                        .str());
}

RowKey QuotaRow(absl::string_view tag, absl::string_view key_id,
                absl::string_view policy_hash) {
  return MakeRowKey(Family::kQuota, tag,
                    ByteWriter().Bytes(key_id).Bytes(policy_hash).str());
}

RowKey RefusalRateRow(absl::string_view tag, absl::string_view key_id) {
  return MakeRowKey(Family::kRefusalRate, tag, key_id);
}

RowKey LeafRow(uint64_t index) {
  return MakeRowKey(Family::kLeaf, {}, ByteWriter().U64Be(index).str());
}

RowKey TileRow(uint8_t level, uint64_t number) {
  return MakeRowKey(Family::kTile, {},
                    ByteWriter().U8(level).U64Be(number).str());
}

RowKey DenyListRow(uint32_t evidence_type) {
  return MakeRowKey(Family::kDenyList, {},
                    ByteWriter().U32Be(evidence_type).str());
}

RowKey KillSwitchRow(uint32_t evidence_type) {
  return MakeRowKey(Family::kKillSwitch, {},
                    ByteWriter().U32Be(evidence_type).str());
}

RowKey DestructionRow(int64_t due_us, absl::string_view tag,
                      absl::string_view key_id, uint32_t version) {
  return MakeRowKey(Family::kDestruction, {},
                    ByteWriter()
                        .U64Be(static_cast<uint64_t>(due_us))
                        .Bytes(tag)
                        .Bytes(key_id)
                        .U32Be(version)
                        .str());
}

RowKey RotationRow(int64_t due_us, absl::string_view tag,
                   absl::string_view key_id) {
  return MakeRowKey(Family::kRotation, {},
                    ByteWriter()
                        .U64Be(static_cast<uint64_t>(due_us))
                        .Bytes(tag)
                        .Bytes(key_id)
                        .str());
}

DueKey ParseDueKey(const RowKey& row) {
  ByteReader id(AsBytes(row.id()));
  DueKey due;
  due.due_us = static_cast<int64_t>(id.U64Be());
  due.tag = ToString(id.Bytes(kNamespaceTagBytes));
  due.key_id = ToString(id.Bytes(kIdBytes));
  due.version = id.remaining() == 0 ? 0 : id.U32Be();
  return due;
}

absl::StatusOr<NameHasher> NameHasher::Create(const Keyring& keyring) {
  KMS_ASSIGN_OR_RETURN(const Secret* key,
                       keyring.Get(KeyKind::kNameIndex, kKeyVersion));
  KMS_ASSIGN_OR_RETURN(crypto::HmacSha256Key hmac,
                       crypto::HmacSha256Key::Create(*key));
  return NameHasher(std::move(hmac));
}

std::string NameHasher::Namespace(absl::string_view name_space) const {
  const std::string message =
      ByteWriter().Field("namespace").Field(name_space).Take();
  return key_.Mac(AsBytes(message)).substr(0, kNamespaceTagBytes);
}

std::string NameHasher::Hash(Family family, absl::string_view name_space,
                             absl::string_view name) const {
  const std::string message = ByteWriter()
                                  .Field(InfoOf(family).name)
                                  .Field(name_space)
                                  .Field(name)
                                  .Take();
  return key_.Mac(AsBytes(message));
}

RowKey NameHasher::KeyName(absl::string_view name_space,
                           absl::string_view name) const {
  return MakeRowKey(Family::kKeyName, Namespace(name_space),
                    Hash(Family::kKeyName, name_space, name));
}

RowKey NameHasher::Policy(absl::string_view name_space,
                          absl::string_view name) const {
  return MakeRowKey(Family::kPolicy, Namespace(name_space),
                    Hash(Family::kPolicy, name_space, name));
}

RowKey NameHasher::PolicyVersion(absl::string_view name_space,
                                 absl::string_view name,
                                 uint32_t version) const {
  return PolicyVersionRow(Namespace(name_space),
                          Hash(Family::kPolicy, name_space, name), version);
}

RowKey NameHasher::Quota(absl::string_view name_space, absl::string_view key_id,
                         absl::string_view policy) const {
  return QuotaRow(Namespace(name_space), key_id,
                  Hash(Family::kPolicy, name_space, policy));
}

RowKey NameHasher::Leases(absl::string_view name_space,
                          absl::string_view key_id,
                          absl::string_view policy) const {
  return MakeRowKey(Family::kLeases, Namespace(name_space),
                    ByteWriter()
                        .Bytes(key_id)
                        .Bytes(Hash(Family::kPolicy, name_space, policy))
                        .str());
}

RowKey NameHasher::ReferenceSet(absl::string_view name_space,
                                absl::string_view name) const {
  return MakeRowKey(Family::kReferenceSet, Namespace(name_space),
                    Hash(Family::kReferenceSet, name_space, name));
}

RowKey NameHasher::ReferenceVersion(absl::string_view name_space,
                                    absl::string_view name,
                                    uint32_t version) const {
  return MakeRowKey(
      Family::kReferenceVersion, Namespace(name_space),
      IdAndVersion(Hash(Family::kReferenceSet, name_space, name), version));
}

RowKey NameHasher::Anchor(absl::string_view name) const {
  return MakeRowKey(Family::kAnchor, {}, Hash(Family::kAnchor, {}, name));
}

RowKey NameHasher::Collateral(absl::string_view role,
                              absl::string_view subject) const {
  return MakeRowKey(Family::kCollateral, {},
                    Hash(Family::kCollateral, role, subject));
}

RowKey NameHasher::CollateralContent(absl::string_view role,
                                     absl::string_view subject) const {
  return MakeRowKey(Family::kCollateralContent, {},
                    Hash(Family::kCollateral, role, subject));
}

}  // namespace kms::storage
