#include "kms/audit/audit_handlers.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/instance/admin_call.h"
#include "storage/state/state_view.h"

namespace kms::audit {
namespace {

constexpr size_t kEvidenceDigestSize = 32;  // SHA-256.

// Leaves are read in pieces, so that an answer that ends at kEntriesBytesMax
// has not read a thousand of them first.
constexpr size_t kEntriesPerRead = 64;

absl::StatusOr<v1::Checkpoint> LatestCheckpoint(
    const CheckpointSigner& signer, const Instance& instance,
    const storage::StateView& view) {
  KMS_ASSIGN_OR_RETURN(
      const std::shared_ptr<const v1::Checkpoint> checkpoint,
      signer.Sign(instance,
                  {view.position().epoch, view.tree_size(), view.tree_root()}));
  return *checkpoint;
}

// The size that a request means: 0 is the latest.
absl::StatusOr<uint64_t> ResolveSize(const storage::StateView& view,
                                     uint64_t size) {
  if (size == 0) return view.tree_size();
  if (size > view.tree_size()) {
    return Refuse(v1::NOT_FOUND, absl::StrCat("log: ", view.tree_size(),
                                              " entries, want ", size));
  }
  return size;
}

// Adds leaves from `start` on until `count` or kEntriesBytesMax is reached.
absl::Status AddEntries(const storage::StateView& view, uint64_t start,
                        size_t count, v1::ListEntriesResponse& response) {
  size_t bytes = 0;
  for (size_t done = 0; done < count;) {
    const size_t want = std::min(count - done, kEntriesPerRead);
    KMS_ASSIGN_OR_RETURN(std::vector<std::string> leaves,
                         view.GetLeaves(start + done, want));
    for (std::string& leaf : leaves) {
      bytes += leaf.size();
      // One leaf always fits: the state bounds it.
      if (bytes > kEntriesBytesMax) return absl::OkStatus();
      response.add_entries(std::move(leaf));
    }
    if (leaves.size() < want) return absl::OkStatus();  // The log's end.
    done += leaves.size();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Checkpoint> AuditHandlers::GetCheckpoint(
    const Caller& caller, const v1::GetCheckpointRequest&) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  return LatestCheckpoint(signer_, *instance, *instance->replica->View());
}

absl::StatusOr<v1::ListEntriesResponse> AuditHandlers::ListEntries(
    const Caller& caller, const v1::ListEntriesRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  if (request.count() > kEntriesMax) {
    return Refuse(v1::REQUEST_TOO_LARGE,
                  absl::StrCat("count: ", request.count(), ", want at most ",
                               kEntriesMax));
  }
  const auto view = instance->replica->View();
  if (request.start() > view->tree_size()) {
    return Refuse(v1::NOT_FOUND,
                  absl::StrCat("log: ", view->tree_size(),
                               " entries, want to start at ", request.start()));
  }
  v1::ListEntriesResponse response;
  response.set_tree_size(view->tree_size());
  KMS_RETURN_IF_ERROR(AddEntries(
      *view, request.start(),
      request.count() == 0 ? kEntriesDefault : request.count(), response));
  return response;
}

absl::StatusOr<v1::InclusionProof> AuditHandlers::GetInclusionProof(
    const Caller& caller, const v1::GetInclusionProofRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const uint64_t size,
                       ResolveSize(*view, request.tree_size()));
  if (request.leaf_index() >= size) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("leaf index: ", request.leaf_index(),
                               ", want below the tree size ", size));
  }
  v1::InclusionProof proof;
  proof.set_leaf_index(request.leaf_index());
  proof.set_tree_size(size);
  KMS_ASSIGN_OR_RETURN(*proof.mutable_leaf(),
                       view->GetLeaf(request.leaf_index()));
  KMS_ASSIGN_OR_RETURN(std::vector<std::string> hashes,
                       view->InclusionProof(request.leaf_index(), size));
  for (std::string& hash : hashes) proof.add_hashes(std::move(hash));
  if (size == view->tree_size()) {
    KMS_ASSIGN_OR_RETURN(*proof.mutable_checkpoint(),
                         LatestCheckpoint(signer_, *instance, *view));
  }
  return proof;
}

absl::StatusOr<v1::ConsistencyProof> AuditHandlers::GetConsistencyProof(
    const Caller& caller, const v1::GetConsistencyProofRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  if (request.first_size() == 0) {
    return Refuse(v1::REQUEST_MALFORMED,
                  "first size: 0, want at least 1: every tree begins with the "
                  "empty one");
  }
  const auto view = instance->replica->View();
  KMS_ASSIGN_OR_RETURN(const uint64_t second,
                       ResolveSize(*view, request.second_size()));
  if (request.first_size() > second) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("first size: ", request.first_size(),
                               ", want at most the second, ", second));
  }
  v1::ConsistencyProof proof;
  proof.set_first_size(request.first_size());
  proof.set_second_size(second);
  KMS_ASSIGN_OR_RETURN(std::vector<std::string> hashes,
                       view->ConsistencyProof(request.first_size(), second));
  for (std::string& hash : hashes) proof.add_hashes(std::move(hash));
  if (second == view->tree_size()) {
    KMS_ASSIGN_OR_RETURN(*proof.mutable_checkpoint(),
                         LatestCheckpoint(signer_, *instance, *view));
  }
  return proof;
}

absl::StatusOr<v1::ArchivedEvidence> AuditHandlers::GetEvidence(
    const Caller& caller, const v1::GetEvidenceRequest& request) const {
  KMS_ASSIGN_OR_RETURN(const std::shared_ptr<const Instance> instance,
                       BeginAdminCall(holder_, caller));
  if (request.digest().size() != kEvidenceDigestSize) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("digest: ", request.digest().size(),
                               " bytes, want ", kEvidenceDigestSize));
  }
  if (instance->evidence_archive == nullptr) {
    return Refuse(v1::NOT_FOUND, "evidence: this instance keeps none");
  }
  absl::StatusOr<std::string> bundle =
      instance->evidence_archive->Get(AsBytes(request.digest()));
  if (absl::IsNotFound(bundle.status())) {
    return Refuse(v1::NOT_FOUND,
                  "evidence: not kept here, or no longer; ask the instance "
                  "that judged it");
  }
  KMS_RETURN_IF_ERROR(bundle.status());
  v1::ArchivedEvidence evidence;
  evidence.set_bundle(*std::move(bundle));
  return evidence;
}

}  // namespace kms::audit
