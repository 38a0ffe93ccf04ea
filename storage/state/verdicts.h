// Verdicts as proposers state them: bounded, and copied to leaves as they are.
// Thread-safe: free functions over messages.
#ifndef STORAGE_STATE_VERDICTS_H_
#define STORAGE_STATE_VERDICTS_H_

#include <algorithm>
#include <string>

#include "google/protobuf/repeated_field.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/state/limits.h"

namespace kms::storage {

inline bool WellFormedRules(
    const google::protobuf::RepeatedPtrField<std::string>& rules, int most) {
  return rules.size() <= most &&
         std::all_of(rules.begin(), rules.end(), [](const std::string& rule) {
           return rule.size() <= kFailedRuleBytesMax;
         });
}

// True of an absent one.
inline bool WellFormedShadow(const ::storage::v1::ShadowVerdict& shadow) {
  return WellFormedRules(shadow.failed_rules(), kShadowRulesMax);
}

inline bool WellFormedUses(
    const google::protobuf::RepeatedPtrField<::storage::v1::ReferenceUse>&
        uses) {
  return uses.size() <= kReferenceUsesMax &&
         std::all_of(uses.begin(), uses.end(), [](const auto& use) {
           return use.set().size() <= kReferenceNameBytesMax &&
                  use.digest().size() == kSha256Bytes;
         });
}

inline v1::ShadowVerdict ForLeaf(const ::storage::v1::ShadowVerdict& shadow) {
  v1::ShadowVerdict verdict;
  verdict.set_policy_version(shadow.policy_version());
  verdict.set_code(shadow.code());
  *verdict.mutable_failed_rules() = shadow.failed_rules();
  return verdict;
}

// Shadow and references of a command, to its leaf.
template <typename Op, typename Event>
void CopyVerdict(const Op& op, Event& event) {
  if (op.has_shadow()) *event.mutable_shadow() = ForLeaf(op.shadow());
  for (const ::storage::v1::ReferenceUse& use : op.references()) {
    v1::ReferenceUse& told = *event.add_references();
    told.set_set(use.set());
    told.set_version(use.version());
    told.set_digest(use.digest());
  }
}

// What came with level 2, and only a proposer that knows it states.
template <typename Op>
bool NeedsPolicyLevel(const Op& op) {
  return op.has_shadow() || op.references_size() != 0;
}

}  // namespace kms::storage

#endif  // STORAGE_STATE_VERDICTS_H_
