#include "kms/cluster/vouch.h"

#include <string>

#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/cluster/signing.h"
#include "kms/crypto/public_key.h"

namespace kms::cluster {

v1::Vouch MakeVouch(absl::string_view cluster_id, absl::string_view instance_id,
                    const crypto::Ed25519SigningKey& instance_key,
                    absl::string_view certificate_digest) {
  v1::Vouch vouch;
  vouch.set_instance_id(std::string(instance_id));
  vouch.set_signature(instance_key.Sign(
      VouchSigningInput(cluster_id, instance_id, certificate_digest)));
  return vouch;
}

v1::Vouch MakeVouch(const Instance& instance,
                    absl::string_view certificate_digest) {
  return MakeVouch(instance.cluster_id, instance.instance_id,
                   *instance.instance_key, certificate_digest);
}

absl::StatusOr<::storage::v1::InstanceRecord> CheckVouch(
    const storage::StateView& view, const v1::Vouch& vouch,
    absl::string_view certificate_digest) {
  const absl::Status unknown = Refuse(
      v1::PEER_UNKNOWN,
      "peer: no registered instance vouches for this connection's certificate");
  auto record = view.GetInstance(vouch.instance_id());
  if (absl::IsNotFound(record.status())) return unknown;
  KMS_RETURN_IF_ERROR(record.status());
  if (record->removed()) return unknown;
  KMS_ASSIGN_OR_RETURN(
      const crypto::PublicKey key,
      crypto::PublicKey::Ed25519(AsBytes(record->public_key())));
  const std::string message = VouchSigningInput(
      view.header().cluster_id(), vouch.instance_id(), certificate_digest);
  if (!key.VerifyEd25519(AsBytes(message), AsBytes(vouch.signature())).ok()) {
    return unknown;
  }
  return record;
}

}  // namespace kms::cluster
