// What instances sign for each other, each under a domain of its own, and what
// the sealed root key is bound to. proto/kms/v1/cluster.proto has the words.
// Thread-safe: free functions.
#ifndef KMS_CLUSTER_SIGNING_H_
#define KMS_CLUSTER_SIGNING_H_

#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/cluster.pb.h"

namespace kms::cluster {

// By the joiner's instance key: that it has the key it wants registered.
std::string JoinSigningInput(absl::string_view transcript_digest);

// By the cluster identity key: that this answer is the pinned cluster's.
std::string JoinedSigningInput(absl::string_view transcript_digest,
                               const v1::JoinResponse& response);

// HPKE's associated data of the sealed root key.
std::string SealedRootAad(absl::string_view cluster_id,
                          absl::string_view instance_id,
                          const v1::JoinResponse& response);

// By an instance key: that a TLS certificate is its instance's.
std::string VouchSigningInput(absl::string_view cluster_id,
                              absl::string_view instance_id,
                              absl::string_view certificate_digest);

// By an instance key: where it stands.
std::string HeadSigningInput(absl::string_view head);

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_SIGNING_H_
