// How TLS between instances is bound to the keys that Register recorded: the
// instance key signs the SHA-256 of the certificate that its process uses for
// TLS, and whoever speaks over a connection shows that signature. TLS proves
// that the other end holds the certificate's key; the vouch, whose it is.
//
// Decided so, and not by certificates made from the instance key: an operator's
// own CA and certificates stay the ones that his tools know, gRPC 1.51's stable
// interface is enough, and a certificate that leaks is of no use without a
// registered key that vouches for it. A vouch is not secret: it says nothing to
// who cannot prove the certificate.
// Source: architecture.md, issue "Joining"; threats.md X12.
// Thread-safe: free functions.
#ifndef KMS_CLUSTER_VOUCH_H_
#define KMS_CLUSTER_VOUCH_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/signing_key.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/cluster.pb.h"
#include "proto/storage/v1/record.pb.h"
#include "storage/state/state_view.h"

namespace kms::cluster {

// `certificate_digest`: SHA-256 of this process's TLS certificate (DER).
v1::Vouch MakeVouch(absl::string_view cluster_id, absl::string_view instance_id,
                    const crypto::Ed25519SigningKey& instance_key,
                    absl::string_view certificate_digest);
// REQUIRES: instance.instance_key is not null.
v1::Vouch MakeVouch(const Instance& instance,
                    absl::string_view certificate_digest);

// The registered instance that vouches for the certificate of a connection.
// PEER_UNKNOWN: none does, or it was removed. INSTANCE_REMOVED is not told:
// who was removed has nothing to ask. DATA_LOSS: StateView.
absl::StatusOr<::storage::v1::InstanceRecord> CheckVouch(
    const storage::StateView& view, const v1::Vouch& vouch,
    absl::string_view certificate_digest);

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_VOUCH_H_
