// Reference Values: a part of PolicyService.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/admin/policy_handlers.h"
#include "kms/admin/stored_references.h"
#include "kms/base/bytes.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/instance/admin_call.h"
#include "policy/reference_values/corim.h"
#include "policy/reference_values/json.h"
#include "policy/reference_values/limits.h"

namespace kms::admin {
namespace {

using ::storage::v1::Command;
using ::storage::v1::ReferenceSetRecord;
using ::storage::v1::ReferenceVersionRecord;

// Versions by others that one unconditional change tries to get ahead of.
constexpr int kPutTries = 4;

// Sets are named by the same rules as policies.
absl::Status CheckSetName(absl::string_view name) {
  const absl::Status status = CheckPolicyName(name);
  return status.ok() ? status
                     : Refuse(RefusalOf(status),
                              "reference set: its name is not one, want 1 to "
                              "64 of a-z 0-9 . _ -");
}

// JSON begins with a brace; a CoRIM with CBOR's tag 18.
bool IsJson(absl::string_view file) {
  const size_t first = file.find_first_not_of(" \t\r\n");
  return first != absl::string_view::npos && file[first] == '{';
}

absl::StatusOr<reference_values::ReferenceFile> ReadFile(
    const v1::PutReferenceSetRequest& request,
    const policy::TrustAnchor* anchor) {
  const bool json = IsJson(request.file());
  if (json && !request.measurement_key().empty()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "reference set: only a CoRIM has measurement keys");
  }
  if (anchor == nullptr) {
    if (json) return reference_values::ReadJson(request.file());
    return Refuse(v1::REQUEST_MALFORMED,
                  "reference set: a CoRIM is signed; name the anchor that "
                  "vouches for its signer");
  }
  if (!anchor->key.has_value()) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "reference set: of this anchor only a pin is known, not the "
                  "key");
  }
  return json ? reference_values::ReadSignedJson(request.file(), *anchor->key)
              : reference_values::ReadCorim(AsBytes(request.file()),
                                            *anchor->key,
                                            request.measurement_key());
}

int64_t Micros(const std::optional<absl::Time>& time) {
  return time.has_value() ? absl::ToUnixMicros(*time) : 0;
}

::storage::v1::PutReferenceSet ToOp(const v1::PutReferenceSetRequest& request,
                                    const reference_values::ReferenceFile& file,
                                    const policy::TrustAnchor* anchor) {
  ::storage::v1::PutReferenceSet op;
  op.set_name(request.name());
  for (const std::string& value : file.values) op.add_values(value);
  op.set_valid_from_us(Micros(file.valid_from));
  op.set_valid_until_us(Micros(file.valid_until));
  op.set_format(IsJson(request.file()) ? "json" : "corim");
  op.set_title(file.title);
  op.set_file_digest(crypto::Sha256(AsBytes(request.file())));
  op.set_signed_us(Micros(file.signed_at));
  if (anchor != nullptr) {
    op.set_signer(anchor->name);
    op.set_signer_spki_digest(anchor->spki_sha256);
    op.set_simulated(anchor->simulated);
  }
  return op;
}

v1::ReferenceSetVersion ToVersion(const storage::StateView& view,
                                  const ReferenceSetRecord& set,
                                  uint32_t version,
                                  const ReferenceVersionRecord& record) {
  v1::ReferenceSetVersion shown;
  shown.set_namespace_(set.namespace_());
  shown.set_name(set.name());
  shown.set_version(version);
  *shown.mutable_values() = record.values();
  shown.set_value_count(static_cast<uint32_t>(record.values_size()));
  shown.set_digest(record.digest());
  shown.set_valid_from_us(record.valid_from_us());
  shown.set_valid_until_us(record.valid_until_us());
  shown.set_format(record.format());
  shown.set_title(record.title());
  shown.set_file_digest(record.file_digest());
  shown.set_signer(record.signer());
  shown.set_signer_spki_digest(record.signer_spki_digest());
  shown.set_simulated(record.simulated());
  shown.set_signed_us(record.signed_us());
  shown.set_stored_us(record.stored_us());
  shown.set_principal(record.principal());
  shown.set_ended_us(record.ended_us());
  shown.set_ended_principal(record.ended_principal());
  const int64_t now = view.header().log_time_us();
  shown.set_in_force(
      record.ended_us() == 0 && now >= record.valid_from_us() &&
      (record.valid_until_us() == 0 || now < record.valid_until_us()));
  return shown;
}

absl::StatusOr<v1::ReferenceSetVersion> ReadVersion(
    const storage::StateView& view, const ReferenceSetRecord& set,
    uint32_t version) {
  KMS_ASSIGN_OR_RETURN(
      const ReferenceVersionRecord record,
      view.GetReferenceVersion(set.namespace_(), set.name(), version));
  return ToVersion(view, set, version, record);
}

absl::StatusOr<v1::ReferenceSetVersion> ReadVersion(
    const Instance& instance, absl::string_view name_space,
    absl::string_view name, uint32_t version) {
  const auto view = instance.replica->View();
  KMS_ASSIGN_OR_RETURN(const ReferenceSetRecord set,
                       view->GetReferenceSet(name_space, name));
  return ReadVersion(*view, set, version == 0 ? set.version() : version);
}

// The latest versions of a namespace's sets, in the order of their names.
absl::StatusOr<v1::ListReferenceSetsResponse> ListLatest(
    const storage::StateView& view, absl::string_view name_space,
    absl::string_view after, int page_size) {
  KMS_ASSIGN_OR_RETURN(const auto sets, view.ListReferenceSets(name_space));
  v1::ListReferenceSetsResponse response;
  for (const ReferenceSetRecord& set : sets) {
    if (absl::string_view(set.name()) <= after) continue;
    if (response.sets_size() == page_size) {
      response.set_next_page_token(response.sets(page_size - 1).name());
      break;
    }
    KMS_ASSIGN_OR_RETURN(*response.add_sets(),
                         ReadVersion(view, set, set.version()));
  }
  return response;
}

// All versions of one, the latest first.
absl::StatusOr<v1::ListReferenceSetsResponse> ListVersions(
    const storage::StateView& view, const ReferenceSetRecord& set,
    uint32_t before, uint32_t page_size) {
  const uint32_t last = before > page_size ? before - page_size : 1;
  v1::ListReferenceSetsResponse response;
  for (uint32_t version = before - 1; version >= last; --version) {
    KMS_ASSIGN_OR_RETURN(*response.add_sets(), ReadVersion(view, set, version));
  }
  if (last > 1) response.set_next_page_token(absl::StrCat(last));
  return response;
}

}  // namespace

absl::StatusOr<v1::ReferenceSetVersion> PolicyHandlers::PutReferenceSet(
    const Caller& caller, const v1::PutReferenceSetRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckSetName(request.name()));
  if (request.file().size() > reference_values::kFileBytesMax) {
    return Refuse(
        v1::REQUEST_TOO_LARGE,
        absl::StrCat("reference set: ", request.file().size(),
                     " bytes, want at most ", reference_values::kFileBytesMax));
  }
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const collateral::AppraisalInputs> inputs,
      inputs_->Get(*instance, *view));
  const policy::TrustAnchor* anchor = nullptr;
  if (!request.signer().empty()) {
    anchor = FindReferenceAnchor(inputs->anchors, request.signer());
    if (anchor == nullptr) {
      return Refuse(v1::NOT_FOUND,
                    "anchor: none of this name for reference values is in "
                    "effect here");
    }
  }
  KMS_ASSIGN_OR_RETURN(const reference_values::ReferenceFile file,
                       ReadFile(request, anchor));
  ::storage::v1::PutReferenceSet op = ToOp(request, file, anchor);
  for (int tries = 1;; ++tries) {
    op.set_expected_version(request.expected_version());
    if (!request.check_version()) {
      const auto set =
          instance->replica->View()->GetReferenceSet(name_space, op.name());
      if (!set.ok() && !absl::IsNotFound(set.status())) return set.status();
      op.set_expected_version(set.ok() ? set->version() : 0);
    }
    Command command = NewCommand(*instance, caller, name_space);
    *command.mutable_put_reference_set() = op;
    const absl::StatusOr<storage::Applied> applied =
        Propose(*instance, command);
    const bool outrun = RefusalOf(applied.status()) == v1::VERSION_CONFLICT &&
                        !request.check_version();
    if (outrun && tries < kPutTries) continue;
    KMS_RETURN_IF_ERROR(applied.status());
    return ReadVersion(*instance, name_space, op.name(),
                       applied->effect.version);
  }
}

absl::StatusOr<v1::ReferenceSetVersion> PolicyHandlers::GetReferenceSet(
    const Caller& caller, const v1::GetReferenceSetRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckSetName(request.name()));
  return ReadVersion(*instance, name_space, request.name(), request.version());
}

absl::StatusOr<v1::ListReferenceSetsResponse> PolicyHandlers::ListReferenceSets(
    const Caller& caller, const v1::ListReferenceSetsRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  if (request.page_size() > kPageSizeMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("page size: ", request.page_size(),
                               ", want at most ", kPageSizeMax));
  }
  const absl::Status bad_token =
      Refuse(v1::REQUEST_MALFORMED,
             "page token: not one of ours, want the previous page's");
  const uint32_t page_size =
      request.page_size() == 0 ? kPageSizeDefault : request.page_size();
  const std::string& token = request.page_token();
  const auto view = instance->replica->View();
  v1::ListReferenceSetsResponse response;
  if (request.name().empty()) {
    if (!token.empty() && !CheckSetName(token).ok()) return bad_token;
    KMS_ASSIGN_OR_RETURN(response, ListLatest(*view, name_space, token,
                                              static_cast<int>(page_size)));
  } else {
    KMS_RETURN_IF_ERROR(CheckSetName(request.name()));
    KMS_ASSIGN_OR_RETURN(const ReferenceSetRecord set,
                         view->GetReferenceSet(name_space, request.name()));
    uint32_t before = set.version() + 1;
    if (!token.empty() && (!absl::SimpleAtoi(token, &before) || before < 2)) {
      return bad_token;
    }
    before = std::min(before, set.version() + 1);
    KMS_ASSIGN_OR_RETURN(response, ListVersions(*view, set, before, page_size));
  }
  for (v1::ReferenceSetVersion& set : *response.mutable_sets()) {
    set.clear_values();
  }
  return response;
}

absl::StatusOr<v1::ReferenceSetVersion> PolicyHandlers::EndReferenceVersion(
    const Caller& caller, const v1::EndReferenceVersionRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  KMS_ASSIGN_OR_RETURN(const absl::string_view name_space,
                       ResolveNamespace(request.namespace_()));
  KMS_RETURN_IF_ERROR(CheckSetName(request.name()));
  Command command = NewCommand(*instance, caller, name_space);
  command.mutable_end_reference_version()->set_name(request.name());
  command.mutable_end_reference_version()->set_version(request.version());
  KMS_RETURN_IF_ERROR(Propose(*instance, command).status());
  KMS_ASSIGN_OR_RETURN(
      v1::ReferenceSetVersion ended,
      ReadVersion(*instance, name_space, request.name(), request.version()));
  ended.clear_values();
  return ended;
}

}  // namespace kms::admin
