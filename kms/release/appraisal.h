// Judges one request: verifies its Evidence, checks that it is bound to this
// session, and appraises the Claims against the key's policy. Reads one state
// view and writes nothing.
// Thread-safe.
#ifndef KMS_RELEASE_APPRAISAL_H_
#define KMS_RELEASE_APPRAISAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/admin/policy_cache.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "kms/lifecycle/wrapped_blob.h"
#include "kms/release/limits.h"
#include "policy/document/references.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "proto/kms/v1/claims.pb.h"
#include "proto/kms/v1/decision.pb.h"
#include "proto/kms/v1/refusal.pb.h"
#include "proto/kms/v1/release.pb.h"
#include "proto/storage/v1/command.pb.h"
#include "storage/state/state_view.h"

namespace kms::release {

// One request for a key, its cheap checks done.
struct Session {
  std::string name_space;      // Resolved: never empty.
  std::string key;             // The key's name.
  uint32_t version = 0;        // 0: the primary version.
  BytesView evidence;          // The bundle as sent.
  std::string challenge_hash;  // 32 bytes.
  absl::Time challenge_expires;
  std::string transcript_digest;  // 64 bytes.
  std::string evidence_digest;    // 32 bytes, SHA-256.
  uint16_t kem_id = 0;
  BytesView recipient_public_key;

  // Of a wrapping key: a blob, whose version is `version`; or how long a fresh
  // data key is to be. See data_key.h.
  std::optional<lifecycle::WrappedBlob> blob;
  std::string blob_digest;  // 32 bytes, SHA-256; empty: no blob.
  uint32_t data_key_bytes = 0;
  bool rewrap = false;          // The blob, to the primary version.
  std::string artifact_digest;  // That the request names; empty: none.

  bool wants_data_key() const {
    return blob.has_value() || data_key_bytes != 0;
  }
};

// What verified Evidence led to.
struct Judgement {
  // OK, or why not: the exact cause, for the audit log. What the workload may
  // learn of it is ForWorkload's answer.
  absl::Status verdict;
  v1::Decision decision;  // Empty if it did not come to the policy.
  // What the policy's shadow version says of the same; it decides nothing.
  std::optional<::storage::v1::ShadowVerdict> shadow;

  // Of what was judged; empty or 0 as far as it did not come to it.
  std::string key_id;  // 16 bytes.
  uint32_t key_version = 0;
  ::storage::v1::KeyMaterial material;
  std::string policy;
  uint32_t policy_version = 0;
  std::string policy_digest;      // 32 bytes.
  std::string claims_digest;      // 32 bytes.
  std::string collateral_digest;  // 32 bytes.
  uint64_t appraisal_generation = 0;
};

// The refusal as its caller may see it: "no such key" and "no policy" look like
// a policy's refusal. Names of keys are not secrets all the same: a code such
// as DEBUG_DENIED is only ever a stored policy's.
absl::Status ForWorkload(const absl::Status& verdict);

// The ids of the first `most` rules that were not true, in policy order.
template <typename Op>
void AddFailedRules(const v1::Decision& decision, int most, Op& op) {
  for (const v1::RuleResult& rule : decision.rules()) {
    if (rule.outcome() != v1::RuleResult::TRUE &&
        op.failed_rules_size() < most) {
      op.add_failed_rules(rule.id());
    }
  }
}

class Appraiser {
 public:
  explicit Appraiser(std::shared_ptr<collateral::AppraisalInputsCache> inputs)
      : inputs_(std::move(inputs)) {}

  // Judges `session` on `view`, as of `now`.
  // A Judgement, whatever its verdict, means that the Evidence verified and is
  // bound to the session. A status means that it did not: EVIDENCE_*,
  // SIGNATURE_INVALID, ENDORSEMENT_*, CHAIN_UNTRUSTED, CERTIFICATE_*, CRL_*,
  // TCB_*, CHIP_ID_MISMATCH, MEASUREMENT_MISMATCH; HARDWARE_DENIED if its type
  // is switched off; or DATA_LOSS.
  absl::StatusOr<Judgement> Judge(const Instance& instance,
                                  const storage::StateView& view,
                                  const Session& session, absl::Time now);

 private:
  // Some are large, so the keys under one policy share them.
  using SharedReferences = std::shared_ptr<const policy::ReferenceSets>;

  // What the state says of a key that was once released. Remembered, because
  // five rows are read and opened for it, and it is the same until a key or
  // policy changes. Apply checks all of it again, where the release is ordered.
  struct KnownKey {
    ::storage::v1::KeyRecord key;
    uint32_t version = 0;  // That was asked for, or the primary one.
    uint32_t policy_version = 0;
    admin::CachedPolicy policy;
    uint32_t shadow_version = 0;  // 0: none.
    // Null: there is none, or it cannot be read, and `shadow_fault` says why.
    std::shared_ptr<const policy::CompiledPolicy> shadow;
    v1::RefusalCode shadow_fault = v1::REFUSAL_CODE_UNSPECIFIED;
    // The stored Reference Values that the two read; as `shadow` if null.
    SharedReferences references;
    SharedReferences shadow_references;
    ::storage::v1::KeyMaterial material;
  };
  // Those of one state; another state empties it.
  struct KnownKeys {
    std::string cluster_id;
    uint64_t epoch = 0;
    uint64_t settings_index = 0;
    std::map<std::string, std::shared_ptr<const KnownKey>> by_name;
    std::map<std::string, SharedReferences> references;  // By policy version.

    bool IsOf(const storage::StateView& view) const;
  };
  std::shared_ptr<const KnownKey> FindKnown(const storage::StateView& view,
                                            const std::string& name);
  void Remember(const storage::StateView& view, const std::string& name,
                std::shared_ptr<const KnownKey> known);
  // What the shadow version of `known`'s policy says; nothing without one.
  static std::optional<::storage::v1::ShadowVerdict> JudgeShadow(
      const KnownKey& known, const v1::Claims& claims,
      const v1::RequestContext& context, absl::Time now);
  // What `policy`, a version of the one named, reads of stored sets.
  absl::StatusOr<SharedReferences> ReadReferences(
      const storage::StateView& view, const collateral::AppraisalInputs& inputs,
      const std::string& name_space, const std::string& policy_name,
      uint32_t version, const policy::CompiledPolicy& policy);
  // Fills `read` with all but the material, as far as it comes.
  absl::Status ReadKey(const storage::StateView& view,
                       const collateral::AppraisalInputs& inputs,
                       const Session& session, KnownKey& read);
  // Fills in the shadow version. Whatever keeps it from being read is what it
  // says: it must not cost a release.
  void ReadShadow(const storage::StateView& view,
                  const collateral::AppraisalInputs& inputs,
                  const Session& session, uint32_t version, KnownKey& read);
  absl::Status Decide(const storage::StateView& view,
                      const collateral::AppraisalInputs& inputs,
                      const Session& session, const v1::Claims& claims,
                      absl::Time now, Judgement& judgement);

  policy::VerifiedCache verified_{kVerifiedBytesMax};
  admin::PolicyCache policies_;
  const std::shared_ptr<collateral::AppraisalInputsCache> inputs_;
  absl::Mutex mutex_;
  KnownKeys known_keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::release

#endif  // KMS_RELEASE_APPRAISAL_H_
