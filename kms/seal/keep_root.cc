#include "kms/seal/keep_root.h"

#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/seal/ceremony.h"
#include "kms/seal/share.h"

namespace kms::seal {

absl::Status CheckCounts(const RootKeeping& keeping) {
  if (keeping.kind == SealKind::kShamir) {
    return CheckShareCounts(keeping.shares, keeping.threshold);
  }
  if ((keeping.shares | keeping.threshold) == 0) return absl::OkStatus();
  return Refuse(v1::REQUEST_MALFORMED,
                "root key: only custodians have shares, want 0 of 0");
}

absl::StatusOr<std::vector<Secret>> KeepRoot(const RootKeeping& keeping,
                                             const Secret& root,
                                             const storage::Keyring& keyring,
                                             SealFile& file) {
  KMS_RETURN_IF_ERROR(CheckCounts(keeping));
  file.kind = keeping.kind;
  file.wrapped.clear();
  std::vector<Secret> texts;
  if (keeping.kind == SealKind::kShamir) {
    KMS_ASSIGN_OR_RETURN(SplitRoot split,
                         MakeShares(root, file.commitments.cluster_id,
                                    keeping.shares, keeping.threshold));
    file.commitments = std::move(split.commitments);
    texts = std::move(split.texts);
  } else {
    ShareCommitments none;
    none.cluster_id = file.commitments.cluster_id;
    none.ceremony_id = crypto::RandomString(kCeremonyIdBytes);
    none.salt = crypto::RandomString(kCommitmentSaltBytes);
    file.commitments = std::move(none);
    KMS_ASSIGN_OR_RETURN(file.wrapped, keeping.device->Wrap(root));
  }
  KMS_RETURN_IF_ERROR(SealKeyringInto(file, root, keyring));
  return texts;
}

}  // namespace kms::seal
