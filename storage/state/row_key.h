// Row keys of the replicated state: families, and one encoding for each key.
//
//   row-key = family [namespace] id
//   family    = uint8
//   namespace = 16 bytes   ; NameHasher::Namespace, in some families
//   id        = as many bytes as the family has, below
//
// Row keys stand on disk unencrypted, so they hold random ids, numbers and
// keyed hashes of names, never a name. Numbers are big-endian: scans follow
// their order. Every family has one length, so that a row key followed by a
// value is unambiguous.
// Source: architecture.md, "At rest"; review.md 30, 33.
// Thread-safe: values and free functions.
#ifndef STORAGE_STATE_ROW_KEY_H_
#define STORAGE_STATE_ROW_KEY_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hmac.h"
#include "storage/envelope/keyring.h"

namespace kms::storage {

// Stored: never renumber.
enum class Family : uint8_t {
  kHeader = 1,          // The one StateHeader.
  kInstance = 2,        // instance id[16] -> InstanceRecord
  kApprover = 3,        // public key[32] -> ApproverRecord
  kDigest = 4,          // slot uint32 -> DigestRecord
  kKey = 5,             // key id[16] -> KeyRecord
  kKeyName = 6,         // name hash[32] -> KeyNameRecord
  kKeyVersion = 7,      // key id[16] version uint32 -> KeyVersionRecord
  kReleaseCount = 8,    // key id[16] version uint32 -> ReleaseCountRecord
  kPolicy = 9,          // name hash[32] -> PolicyRecord
  kPolicyVersion = 10,  // name hash[32] version uint32 -> PolicyVersionRecord
  kAnchor = 11,         // name hash[32] -> AnchorRecord
  kSpent = 12,          // challenge hash[32] -> SpentChallengeRecord
  kSpentExpiry = 13,    // expiry uint64, challenge hash[32] -> empty
  kQuota = 14,          // key id[16] policy's name hash[32] -> QuotaRecord
  kRefusalRate = 15,    // key id[16] -> QuotaRecord
  kLeaf = 16,           // leaf uint64 -> the leaf's bytes
  kTile = 17,           // level uint8, number uint64 -> 256 hashes
  kCollateral = 18,     // role and subject's hash[32] -> CollateralRecord
  kCollateralContent = 19,  // the same hash[32] -> CollateralContentRecord
  kDenyList = 20,           // evidence type uint32 -> DenyListRecord
  kKillSwitch = 21,         // evidence type uint32 -> KillSwitchRecord
  // Schedules, by log time: due uint64, namespace[16], key id[16], and of a
  // destruction version uint32.
  kDestruction = 22,       // -> DestructionRecord
  kRotation = 23,          // -> empty
  kLeases = 24,            // key id[16] policy's name hash[32] -> LeasesRecord
  kReferenceSet = 25,      // name hash[32] -> ReferenceSetRecord
  kReferenceVersion = 26,  // name hash[32] version uint32 -> its Record
};

inline constexpr size_t kNamespaceTagBytes = 16;
inline constexpr size_t kNameHashBytes = 32;

struct FamilyInfo {
  Family family;
  absl::string_view name;  // In associated data and in messages.
  bool has_namespace;
  size_t id_size;
  bool summed;  // In the row sum: every mutable row but the header.
};

// All of them, ascending.
absl::Span<const FamilyInfo> Families();
const FamilyInfo& InfoOf(Family family);

// One row's key. Made only by the functions below, so always well-formed.
class RowKey {
 public:
  const std::string& bytes() const { return bytes_; }
  Family family() const { return static_cast<Family>(bytes_[0]); }
  absl::string_view namespace_tag() const;  // Empty: the family has none.
  absl::string_view id() const;

  friend auto operator<=>(const RowKey&, const RowKey&) = default;

 private:
  friend absl::StatusOr<RowKey> ParseRowKey(absl::string_view bytes);
  friend RowKey MakeRowKey(Family, absl::string_view, absl::string_view);

  explicit RowKey(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string bytes_;
};

// kInvalidArgument: unknown family, or not its length.
absl::StatusOr<RowKey> ParseRowKey(absl::string_view bytes);

// REQUIRES: `namespace_tag` and `id` have the family's sizes.
RowKey MakeRowKey(Family family, absl::string_view namespace_tag,
                  absl::string_view id);

// What all row keys of a family (and namespace) begin with.
std::string FamilyPrefix(Family family, absl::string_view namespace_tag = {});

RowKey HeaderRow();
RowKey InstanceRow(absl::string_view instance_id);
RowKey ApproverRow(absl::string_view public_key);
RowKey DigestRow(uint64_t index);  // Its slot of the ring.
RowKey KeyRow(absl::string_view tag, absl::string_view key_id);
RowKey KeyVersionRow(absl::string_view tag, absl::string_view key_id,
                     uint32_t version);
RowKey ReleaseCountRow(absl::string_view tag, absl::string_view key_id,
                       uint32_t version);
RowKey PolicyVersionRow(absl::string_view tag, absl::string_view name_hash,
                        uint32_t version);
RowKey SpentRow(absl::string_view challenge_hash);
// REQUIRES: expires_us >= 0.
RowKey SpentExpiryRow(int64_t expires_us, absl::string_view challenge_hash);
RowKey QuotaRow(absl::string_view tag, absl::string_view key_id,
                absl::string_view policy_hash);
RowKey RefusalRateRow(absl::string_view tag, absl::string_view key_id);
RowKey LeafRow(uint64_t index);
RowKey TileRow(uint8_t level, uint64_t number);
RowKey DenyListRow(uint32_t evidence_type);
RowKey KillSwitchRow(uint32_t evidence_type);
// REQUIRES: due_us >= 0; as the next.
RowKey DestructionRow(int64_t due_us, absl::string_view tag,
                      absl::string_view key_id, uint32_t version);
RowKey RotationRow(int64_t due_us, absl::string_view tag,
                   absl::string_view key_id);

// What such a row key says.
struct DueKey {
  int64_t due_us;
  std::string tag;
  std::string key_id;
  uint32_t version;  // 0: a rotation.
};
// REQUIRES: a row of kDestruction or kRotation.
DueKey ParseDueKey(const RowKey& row);

// Turns names into row keys with the keyring's name index key, so that a
// stolen disk cannot be searched for a name.
class NameHasher {
 public:
  // Always this version: row keys are inputs of Apply, so another key would
  // have to come by a command.
  static constexpr uint32_t kKeyVersion = 1;

  // kFailedPrecondition: the key is not in `keyring`.
  static absl::StatusOr<NameHasher> Create(const Keyring& keyring);

  std::string Namespace(absl::string_view name_space) const;  // 16 bytes.
  std::string Hash(Family family, absl::string_view name_space,
                   absl::string_view name) const;  // 32 bytes.

  RowKey KeyName(absl::string_view name_space, absl::string_view name) const;
  RowKey Policy(absl::string_view name_space, absl::string_view name) const;
  RowKey PolicyVersion(absl::string_view name_space, absl::string_view name,
                       uint32_t version) const;
  RowKey Quota(absl::string_view name_space, absl::string_view key_id,
               absl::string_view policy) const;
  RowKey Leases(absl::string_view name_space, absl::string_view key_id,
                absl::string_view policy) const;
  RowKey ReferenceSet(absl::string_view name_space,
                      absl::string_view name) const;
  RowKey ReferenceVersion(absl::string_view name_space, absl::string_view name,
                          uint32_t version) const;
  RowKey Anchor(absl::string_view name) const;
  RowKey Collateral(absl::string_view role, absl::string_view subject) const;
  RowKey CollateralContent(absl::string_view role,
                           absl::string_view subject) const;

 private:
  explicit NameHasher(crypto::HmacSha256Key key) : key_(std::move(key)) {}

  crypto::HmacSha256Key key_;
};

}  // namespace kms::storage

#endif  // STORAGE_STATE_ROW_KEY_H_
