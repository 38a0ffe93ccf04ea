#include "kms/release/appraisal.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "kms/admin/stored_references.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/lifecycle/key_usable.h"
#include "kms/release/transcript.h"
#include "policy/document/appraise.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::release {
namespace {

// That the session asks of the key what it is for, with a blob of this key.
absl::Status CheckPurpose(const Session& session,
                          const ::storage::v1::KeyRecord& key) {
  const bool wrapping = key.purpose() == ::storage::v1::KEY_PURPOSE_WRAPPING;
  if (wrapping != session.wants_data_key()) {
    return Refuse(v1::PURPOSE_MISMATCH,
                  wrapping
                      ? "key: a wrapping key, want a blob or the size of "
                        "a data key"
                      : "key: a stored key, which opens and makes no blobs");
  }
  if (session.blob.has_value() && session.blob->header.key_id != key.key_id()) {
    return Refuse(v1::BLOB_MISMATCH, "wrapped blob: of another key");
  }
  return absl::OkStatus();
}

// A stored key's version is for the artifact that it is bound to; a wrapping
// key's, bound to none, is for whatever its blobs are bound to.
absl::Status CheckArtifact(const Session& session,
                           const ::storage::v1::KeyRecord& key,
                           uint32_t version) {
  // Versions are dense and ascending, and this one is there.
  const std::string& bound =
      key.versions(static_cast<int>(version) - 1).artifact_digest();
  if (bound == session.artifact_digest ||
      (bound.empty() && session.wants_data_key())) {
    return absl::OkStatus();
  }
  return Refuse(v1::ARTIFACT_MISMATCH,
                absl::StrCat("key version ", version,
                             bound.empty() ? ": bound to no artifact"
                                           : ": bound to another artifact"));
}

const char* PurposeOf(const Session& session) {
  if (session.data_key_bytes != 0) return "generate";
  if (session.rewrap) return "rewrap";
  return session.blob.has_value() ? "unwrap" : "release";
}

absl::Status CheckSessionBinding(const v1::Claims& claims,
                                 const std::string& transcript_digest) {
  const std::string gpu_nonce = GpuNonce(AsBytes(transcript_digest));
  return policy::CheckBinding(claims, {.transcript = AsBytes(transcript_digest),
                                       .gpu_nonce = AsBytes(gpu_nonce)});
}

// Claims have maps, whose order would otherwise be the process's own: an
// auditor who repeats the appraisal must come to the same digest.
std::string Canonical(const v1::Claims& claims) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  claims.ByteSizeLong();  // Caches the sizes.
  claims.SerializeWithCachedSizes(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace

absl::Status ForWorkload(const absl::Status& verdict) {
  switch (RefusalOf(verdict)) {
    case v1::NOT_FOUND:
    case v1::NO_POLICY:
      return Refuse(v1::POLICY_DENIED,
                    "release: no such key, or none that this workload may "
                    "have");
    default:
      return verdict;
  }
}

absl::StatusOr<Judgement> Appraiser::Judge(const Instance& instance,
                                           const storage::StateView& view,
                                           const Session& session,
                                           absl::Time now) {
  v1::EvidenceBundle bundle;
  if (!bundle.ParseFromArray(session.evidence.data(),
                             static_cast<int>(session.evidence.size()))) {
    return Refuse(v1::EVIDENCE_MALFORMED, "evidence: bundle does not parse");
  }
  // What is archived and digested is what was judged: no fields that we do not
  // know, and none that a later copy of itself replaced.
  bundle.DiscardUnknownFields();
  if (bundle.ByteSizeLong() != session.evidence.size()) {
    return Refuse(v1::EVIDENCE_MALFORMED,
                  "evidence: bundle has unknown or repeated fields");
  }
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(instance, view));
  KMS_ASSIGN_OR_RETURN(
      const v1::Claims claims,
      collateral::VerifyEvidence(*inputs, bundle, now, &verified_));
  KMS_RETURN_IF_ERROR(CheckSessionBinding(claims, session.transcript_digest));

  Judgement judgement;
  judgement.claims_digest = crypto::Sha256(AsBytes(Canonical(claims)));
  judgement.collateral_digest = inputs->digest;
  judgement.appraisal_generation = inputs->generation;
  judgement.verdict = Decide(view, *inputs, session, claims, now, judgement);
  return judgement;
}

bool Appraiser::KnownKeys::IsOf(const storage::StateView& view) const {
  return settings_index == view.settings_index() &&
         epoch == view.position().epoch &&
         cluster_id == view.header().cluster_id();
}

std::shared_ptr<const Appraiser::KnownKey> Appraiser::FindKnown(
    const storage::StateView& view, const std::string& name) {
  absl::MutexLock lock(&mutex_);
  if (!known_keys_.IsOf(view)) return nullptr;
  const auto found = known_keys_.by_name.find(name);
  return found == known_keys_.by_name.end() ? nullptr : found->second;
}

void Appraiser::Remember(const storage::StateView& view,
                         const std::string& name,
                         std::shared_ptr<const KnownKey> known) {
  absl::MutexLock lock(&mutex_);
  if (!known_keys_.IsOf(view) || known_keys_.by_name.size() >= kKnownKeysMax) {
    known_keys_ = {view.header().cluster_id(),
                   view.position().epoch,
                   view.settings_index(),
                   {},
                   {}};
  }
  known_keys_.by_name[name] = std::move(known);
}

absl::StatusOr<Appraiser::SharedReferences> Appraiser::ReadReferences(
    const storage::StateView& view, const collateral::AppraisalInputs& inputs,
    const std::string& name_space, const std::string& policy_name,
    uint32_t version, const policy::CompiledPolicy& policy) {
  const std::string name =
      ByteWriter().Field(name_space).Field(policy_name).U32Be(version).Take();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = known_keys_.references.find(name);
    if (known_keys_.IsOf(view) && found != known_keys_.references.end()) {
      return found->second;
    }
  }
  KMS_ASSIGN_OR_RETURN(
      policy::ReferenceSets sets,
      admin::ReadReferenceSets(view, name_space, policy, inputs.anchors));
  auto shared = std::make_shared<const policy::ReferenceSets>(std::move(sets));
  absl::MutexLock lock(&mutex_);
  if (known_keys_.IsOf(view)) known_keys_.references[name] = shared;
  return shared;
}

absl::Status Appraiser::ReadKey(const storage::StateView& view,
                                const collateral::AppraisalInputs& inputs,
                                const Session& session, KnownKey& read) {
  KMS_ASSIGN_OR_RETURN(read.key,
                       view.GetKeyUncounted(session.name_space, session.key));
  read.version =
      session.version == 0 ? read.key.primary_version() : session.version;
  if (read.key.policy().empty()) {
    return Refuse(v1::NO_POLICY,
                  "key: names no policy, so it releases nothing");
  }
  KMS_ASSIGN_OR_RETURN(const storage::StateView::Policy stored,
                       view.GetPolicy(session.name_space, read.key.policy()));
  read.policy_version = stored.version;
  KMS_ASSIGN_OR_RETURN(
      read.policy,
      policies_.Get(session.name_space, read.key.policy(), stored.version,
                    AsBytes(stored.record.source())));
  KMS_ASSIGN_OR_RETURN(
      read.references,
      ReadReferences(view, inputs, session.name_space, read.key.policy(),
                     stored.version, *read.policy.policy));
  if (stored.shadow_version != 0) {
    ReadShadow(view, inputs, session, stored.shadow_version, read);
  }
  return absl::OkStatus();
}

void Appraiser::ReadShadow(const storage::StateView& view,
                           const collateral::AppraisalInputs& inputs,
                           const Session& session, uint32_t version,
                           KnownKey& read) {
  read.shadow_version = version;
  const auto fill = [&]() -> absl::Status {
    KMS_ASSIGN_OR_RETURN(
        const storage::StateView::Policy stored,
        view.GetPolicy(session.name_space, read.key.policy(), version));
    KMS_ASSIGN_OR_RETURN(
        const admin::CachedPolicy compiled,
        policies_.Get(session.name_space, read.key.policy(), version,
                      AsBytes(stored.record.source())));
    KMS_ASSIGN_OR_RETURN(
        read.shadow_references,
        ReadReferences(view, inputs, session.name_space, read.key.policy(),
                       version, *compiled.policy));
    read.shadow = compiled.policy;
    return absl::OkStatus();
  };
  read.shadow_fault = RefusalOf(fill());
}

std::optional<::storage::v1::ShadowVerdict> Appraiser::JudgeShadow(
    const KnownKey& known, const v1::Claims& claims,
    const v1::RequestContext& context, absl::Time now) {
  if (known.shadow_version == 0) return std::nullopt;
  ::storage::v1::ShadowVerdict verdict;
  verdict.set_policy_version(known.shadow_version);
  if (known.shadow == nullptr) {
    verdict.set_code(known.shadow_fault);
    return verdict;
  }
  const v1::Decision decision = policy::Appraise(*known.shadow, claims, context,
                                                 now, *known.shadow_references);
  verdict.set_code(decision.code());
  AddFailedRules(decision, kShadowRulesMax, verdict);
  return verdict;
}

// From here on every refusal is one of verified Evidence: the judgement says
// how far it came.
absl::Status Appraiser::Decide(const storage::StateView& view,
                               const collateral::AppraisalInputs& inputs,
                               const Session& session, const v1::Claims& claims,
                               absl::Time now, Judgement& judgement) {
  const std::string name = ByteWriter()
                               .Field(session.name_space)
                               .Field(session.key)
                               .U32Be(session.version)
                               .Take();
  std::shared_ptr<const KnownKey> known = FindKnown(view, name);
  std::shared_ptr<KnownKey> read;
  absl::Status readable;
  if (known == nullptr) {
    known = read = std::make_shared<KnownKey>();
    readable = ReadKey(view, inputs, session, *read);
  }
  judgement.key_id = known->key.key_id();
  judgement.key_version = known->version;
  judgement.policy = known->key.policy();
  judgement.policy_version = known->policy_version;
  judgement.policy_digest = known->policy.source_digest;
  KMS_RETURN_IF_ERROR(readable);
  // Before the policy: none can allow it.
  KMS_RETURN_IF_ERROR(inputs.denied.CheckClaims(claims));

  v1::RequestContext context;
  context.set_namespace_(session.name_space);
  context.set_key(session.key);
  context.set_key_version(known->version);
  context.set_purpose(PurposeOf(session));
  context.set_artifact_digest(session.artifact_digest);
  judgement.decision = policy::Appraise(*known->policy.policy, claims, context,
                                        now, *known->references);
  judgement.decision.set_policy_version(known->policy_version);
  judgement.shadow = JudgeShadow(*known, claims, context, now);
  if (!judgement.decision.allowed()) {
    return Refuse(judgement.decision.code(), judgement.decision.reason());
  }
  // Only who may have the key learns of its state, and only what was once
  // allowed is remembered.
  KMS_RETURN_IF_ERROR(CheckPurpose(session, known->key));
  if (read != nullptr) {
    KMS_RETURN_IF_ERROR(lifecycle::CheckUsable(read->key, read->version));
    KMS_ASSIGN_OR_RETURN(
        read->material, view.GetKeyMaterial(session.name_space,
                                            read->key.key_id(), read->version));
    Remember(view, name, read);
  }
  KMS_RETURN_IF_ERROR(CheckArtifact(session, known->key, known->version));
  judgement.material = known->material;
  return absl::OkStatus();
}

}  // namespace kms::release
