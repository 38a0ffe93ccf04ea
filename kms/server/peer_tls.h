// TLS between instances: both ends show a certificate of the peers' CA. It says
// that an operator let this machine talk to the port, and no more: whose it is
// a vouch says (kms/cluster/vouch.h), about the certificate that this file
// reads off the connection.
// Thread-safe: immutable, and free functions.
#ifndef KMS_SERVER_PEER_TLS_H_
#define KMS_SERVER_PEER_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/auth_context.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "kms/server/config.h"

namespace kms::server {

struct PeerTls {
  std::shared_ptr<grpc::ServerCredentials> server;
  std::shared_ptr<grpc::ChannelCredentials> client;
  std::string certificate_digest;  // SHA-256 of our own leaf (DER).
};

// kFailedPrecondition, kNotFound, kUnavailable: a file cannot be used.
// kInvalidArgument: a file is not PEM of the kind.
absl::StatusOr<PeerTls> ReadPeerTls(const ClusterConfig& config);

// SHA-256 of the certificate (DER) that the far end has proven; empty: none, or
// nothing that one can be read from.
std::string PeerCertificateDigest(const grpc::AuthContext& context);

}  // namespace kms::server

#endif  // KMS_SERVER_PEER_TLS_H_
