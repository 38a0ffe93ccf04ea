// The anchors' half of PolicyService.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "kms/admin/anchor_certificate.h"
#include "kms/admin/effective_anchors.h"
#include "kms/admin/policy_handlers.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"
#include "policy/verifier/anchor_file.h"
#include "policy/verifier/anchors.h"
#include "storage/state/limits.h"
#include "storage/state/state_view.h"

namespace kms::admin {
namespace {

using ::storage::v1::AnchorRecord;
using ::storage::v1::Command;

v1::AnchorUse UseOf(const policy::TrustAnchor& anchor) {
  return anchor.use == policy::AnchorUse::kReferenceValues
             ? v1::ANCHOR_FOR_REFERENCE_VALUES
             : v1::ANCHOR_FOR_EVIDENCE;
}

bool IsBuiltIn(absl::string_view name) {
  const auto& anchors = policy::TrustAnchors::BuiltIn();
  return std::any_of(
      anchors.begin(), anchors.end(),
      [&](const policy::TrustAnchor& anchor) { return anchor.name == name; });
}

// Whether another anchor of this type and use has this key already. Two names
// for one key could call the same root simulated and not.
absl::StatusOr<bool> KeyTaken(const storage::StateView& view,
                              absl::string_view name, v1::EvidenceType type,
                              v1::AnchorUse use,
                              const std::string& spki_sha256) {
  const auto& built_in = policy::TrustAnchors::BuiltIn();
  if (std::any_of(built_in.begin(), built_in.end(),
                  [&](const policy::TrustAnchor& anchor) {
                    return anchor.type == type && UseOf(anchor) == use &&
                           anchor.spki_sha256 == spki_sha256;
                  })) {
    return true;
  }
  KMS_ASSIGN_OR_RETURN(const std::vector<AnchorRecord> stored,
                       view.ListAnchors());
  return std::any_of(
      stored.begin(), stored.end(), [&](const AnchorRecord& anchor) {
        return anchor.name() != name &&
               anchor.evidence_type() == static_cast<uint32_t>(type) &&
               anchor.use() == static_cast<uint32_t>(use) &&
               anchor.spki_digest() == spki_sha256;
      });
}

v1::Anchor ToAnchor(const AnchorRecord& record,
                    const policy::TrustAnchors& effective) {
  v1::Anchor anchor;
  anchor.set_name(record.name());
  anchor.set_type(static_cast<v1::EvidenceType>(record.evidence_type()));
  anchor.set_certificate(record.certificate());
  anchor.set_spki_digest(record.spki_digest());
  anchor.set_simulated(record.simulated());
  anchor.set_use(static_cast<v1::AnchorUse>(record.use()));
  const auto& in_effect =
      effective.For(anchor.type(), ToAnchorUse(anchor.use())).anchors;
  anchor.set_enabled(std::any_of(
      in_effect.begin(), in_effect.end(), [&](const policy::TrustAnchor& a) {
        return a.name == record.name() && a.spki_sha256 == record.spki_digest();
      }));
  return anchor;
}

v1::Anchor ToAnchor(const policy::TrustAnchor& built_in) {
  v1::Anchor anchor;
  anchor.set_name(built_in.name);
  anchor.set_type(built_in.type);
  if (built_in.certificate.has_value()) {
    anchor.set_certificate(built_in.certificate->der());
  }
  anchor.set_spki_digest(built_in.spki_sha256);
  anchor.set_simulated(built_in.simulated);
  anchor.set_use(UseOf(built_in));
  anchor.set_built_in(true);
  anchor.set_enabled(true);
  return anchor;
}

}  // namespace

absl::StatusOr<v1::Anchor> PolicyHandlers::PutAnchor(
    const Caller& caller, const v1::PutAnchorRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckAnchorName(request.name()));
  if (IsBuiltIn(request.name())) {
    return Refuse(v1::ALREADY_EXISTS,
                  "anchor: the name is a built-in anchor's");
  }
  if (!v1::EvidenceType_IsValid(request.type()) ||
      request.type() == v1::EVIDENCE_TYPE_UNSPECIFIED) {
    return Refuse(v1::REQUEST_MALFORMED, "anchor: no type of Evidence");
  }
  if (!v1::AnchorUse_IsValid(request.use())) {
    return Refuse(v1::REQUEST_MALFORMED, "anchor: unknown use");
  }
  KMS_ASSIGN_OR_RETURN(const policy::AnchorFile file,
                       ParseAnchor(AsBytes(request.certificate())));
  const auto before = instance->replica->View();
  // The state does not parse what it keeps, so it cannot ask this itself; an
  // instance of an older build would take such an anchor for damage.
  if (!file.certificate.has_value() &&
      before->header().feature_level() < storage::kFeatureLevelCollateral) {
    return Refuse(v1::FEATURE_LEVEL_TOO_LOW,
                  "anchor: a bare key, which not every instance reads yet");
  }
  KMS_ASSIGN_OR_RETURN(const bool taken,
                       KeyTaken(*before, request.name(), request.type(),
                                request.use(), file.key.spki_sha256()));
  if (taken) {
    return Refuse(
        v1::ALREADY_EXISTS,
        "anchor: another anchor of this type and use has the same key");
  }
  // Anchors have no namespace: they say which hardware is real.
  Command command = NewCommand(*instance, caller, kDefaultNamespace);
  ::storage::v1::PutAnchor& op = *command.mutable_put_anchor();
  op.set_name(request.name());
  op.set_evidence_type(static_cast<uint32_t>(request.type()));
  op.set_certificate(file.certificate.has_value() ? file.certificate->der()
                                                  : file.key.spki());
  op.set_spki_digest(file.key.spki_sha256());
  op.set_simulated(request.simulated());
  op.set_use(static_cast<uint32_t>(request.use()));
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());

  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const AnchorRecord stored,
                       view->GetAnchor(request.name()));
  KMS_ASSIGN_OR_RETURN(const policy::TrustAnchors effective,
                       EffectiveAnchors(*view, instance->simulated_anchors));
  return ToAnchor(stored, effective);
}

absl::StatusOr<v1::RemoveAnchorResponse> PolicyHandlers::RemoveAnchor(
    const Caller& caller, const v1::RemoveAnchorRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_RETURN_IF_ERROR(CheckAnchorName(request.name()));
  if (IsBuiltIn(request.name())) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "anchor: built in, so it cannot be removed; a policy can "
                  "refuse it");
  }
  Command command = NewCommand(*instance, caller, kDefaultNamespace);
  command.mutable_remove_anchor()->set_name(request.name());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  return v1::RemoveAnchorResponse();
}

absl::StatusOr<v1::ListAnchorsResponse> PolicyHandlers::ListAnchors(
    const Caller& caller, const v1::ListAnchorsRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(std::vector<AnchorRecord> stored, view->ListAnchors());
  KMS_ASSIGN_OR_RETURN(const policy::TrustAnchors effective,
                       MergeAnchors(stored, instance->simulated_anchors));
  std::sort(stored.begin(), stored.end(),
            [](const AnchorRecord& a, const AnchorRecord& b) {
              return a.name() < b.name();
            });
  v1::ListAnchorsResponse response;
  for (const policy::TrustAnchor& anchor : policy::TrustAnchors::BuiltIn()) {
    *response.add_anchors() = ToAnchor(anchor);
  }
  for (const AnchorRecord& record : stored) {
    *response.add_anchors() = ToAnchor(record, effective);
  }
  return response;
}

}  // namespace kms::admin
