#include "kms/cluster/head.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/limits.h"
#include "kms/cluster/signing.h"
#include "kms/crypto/public_key.h"
#include "storage/state/limits.h"

namespace kms::cluster {

v1::SignedHead MakeHead(const Instance& instance,
                        const storage::StateView& view) {
  v1::Head head;
  head.set_cluster_id(instance.cluster_id);
  head.set_instance_id(instance.instance_id);
  head.set_epoch(view.position().epoch);
  head.set_index(view.position().index);
  head.set_digest(view.header().digest());
  head.set_tree_size(view.tree_size());
  head.set_tree_root(view.tree_root());
  head.set_clock_us(absl::ToUnixMicros(instance.clock.Now()));
  const absl::Status health = instance.replica->health();
  if (!health.ok()) head.set_problem(RefusalName(RefusalOf(health)));
  v1::SignedHead signed_head;
  signed_head.set_head(head.SerializeAsString());
  signed_head.set_signature(
      instance.instance_key->Sign(HeadSigningInput(signed_head.head())));
  return signed_head;
}

absl::StatusOr<v1::Head> OpenHead(const v1::SignedHead& signed_head,
                                  const storage::StateView& view,
                                  const ::storage::v1::InstanceRecord& sender) {
  if (signed_head.head().size() > kHeadBytesMax) {
    return Refuse(v1::REQUEST_MALFORMED,
                  absl::StrCat("head: ", signed_head.head().size(),
                               " bytes, want at most ", kHeadBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(
      const crypto::PublicKey key,
      crypto::PublicKey::Ed25519(AsBytes(sender.public_key())));
  const std::string message = HeadSigningInput(signed_head.head());
  if (!key.VerifyEd25519(AsBytes(message), AsBytes(signed_head.signature()))
           .ok()) {
    return Refuse(v1::PEER_UNKNOWN, "head: not signed by who shows it");
  }
  v1::Head head;
  if (!head.ParseFromString(signed_head.head()) ||
      head.digest().size() != storage::kSha256Bytes ||
      head.problem().size() > kProblemBytesMax) {
    return Refuse(v1::REQUEST_MALFORMED, "head: a field is ill-formed");
  }
  if (head.cluster_id() != view.header().cluster_id() ||
      head.instance_id() != sender.instance_id()) {
    return Refuse(v1::PEER_UNKNOWN,
                  "head: of another cluster or another instance");
  }
  return head;
}

}  // namespace kms::cluster
