#include "kms/release/data_key.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/random.h"
#include "kms/lifecycle/key_usable.h"
#include "kms/lifecycle/stored_blob.h"
#include "kms/lifecycle/wrapped_blob.h"

namespace kms::release {
namespace {

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::REQUEST_MALFORMED, absl::StrCat("request: ", fault));
}

absl::Status CheckFields(const v1::ReleaseRequest& request) {
  if (!request.artifact_digest().empty() &&
      request.artifact_digest().size() != lifecycle::kArtifactDigestSize) {
    return Malformed(absl::StrCat("artifact digest of ",
                                  request.artifact_digest().size(),
                                  " bytes, want 32"));
  }
  if (!request.blob().empty() && request.data_key_bytes() != 0) {
    return Malformed("a blob and a fresh data key, want one of them");
  }
  if (request.rewrap() && request.blob().empty()) {
    return Malformed("rewrap of no blob");
  }
  if (request.data_key_bytes() != 0 &&
      (request.data_key_bytes() < lifecycle::kDataKeySizeMin ||
       request.data_key_bytes() > lifecycle::kDataKeySizeMax)) {
    return Malformed(absl::StrCat("data key of ", request.data_key_bytes(),
                                  " bytes, want ", lifecycle::kDataKeySizeMin,
                                  " to ", lifecycle::kDataKeySizeMax));
  }
  return absl::OkStatus();
}

absl::Status CheckBlob(const Instance& instance,
                       const v1::ReleaseRequest& request,
                       const Session& session,
                       const lifecycle::BlobHeader& blob) {
  if (blob.cluster_id != instance.cluster_id ||
      blob.name_space != session.name_space) {
    return Refuse(v1::BLOB_MISMATCH,
                  "wrapped blob: of another cluster or namespace");
  }
  if (request.version() != 0 && request.version() != blob.version) {
    return Refuse(v1::BLOB_MISMATCH,
                  absl::StrCat("wrapped blob: of key version ", blob.version,
                               ", the request names ", request.version()));
  }
  if (blob.artifact_digest != request.artifact_digest()) {
    return Refuse(v1::ARTIFACT_MISMATCH,
                  "wrapped blob: of another artifact than the request names");
  }
  return absl::OkStatus();
}

absl::StatusOr<Secret> OpenOrMake(const Instance& instance,
                                  const Session& session,
                                  const Judgement& judgement) {
  if (!session.blob.has_value()) {
    return crypto::RandomSecret(session.data_key_bytes);
  }
  return lifecycle::OpenStoredBlob(instance, *session.blob, judgement.material);
}

}  // namespace

absl::Status ReadDataKeyRequest(const Instance& instance,
                                const v1::ReleaseRequest& request,
                                Session& session) {
  KMS_RETURN_IF_ERROR(CheckFields(request));
  session.artifact_digest = request.artifact_digest();
  session.data_key_bytes = request.data_key_bytes();
  session.rewrap = request.rewrap();
  if (request.blob().empty()) return absl::OkStatus();
  KMS_ASSIGN_OR_RETURN(session.blob,
                       lifecycle::ParseBlob(AsBytes(request.blob())));
  session.blob_digest = crypto::Sha256(AsBytes(request.blob()));
  session.version = session.blob->header.version;
  return CheckBlob(instance, request, session, session.blob->header);
}

absl::StatusOr<DataKey> PrepareDataKey(const Instance& instance,
                                       const storage::StateView& view,
                                       const Session& session,
                                       const Judgement& judgement) {
  DataKey data_key;
  KMS_ASSIGN_OR_RETURN(data_key.key, OpenOrMake(instance, session, judgement));
  if (session.blob.has_value() && !session.rewrap) return data_key;

  ::storage::v1::KeyMaterial to = judgement.material;
  data_key.new_version = judgement.key_version;
  if (session.rewrap) {
    KMS_ASSIGN_OR_RETURN(const ::storage::v1::KeyRecord key,
                         view.GetKeyUncounted(session.name_space, session.key));
    data_key.new_version = key.primary_version();
    KMS_RETURN_IF_ERROR(lifecycle::CheckUsable(key, data_key.new_version));
    KMS_ASSIGN_OR_RETURN(to,
                         view.GetKeyMaterial(session.name_space, key.key_id(),
                                             key.primary_version()));
  }
  KMS_ASSIGN_OR_RETURN(
      data_key.new_blob,
      lifecycle::SealStoredBlob(
          instance,
          {session.name_space, judgement.key_id, data_key.new_version}, to,
          session.artifact_digest, data_key.key));
  data_key.new_blob_digest = crypto::Sha256(AsBytes(data_key.new_blob));
  // Moving a blob shows its data key to nobody.
  if (session.rewrap) data_key.key = Secret();
  return data_key;
}

}  // namespace kms::release
