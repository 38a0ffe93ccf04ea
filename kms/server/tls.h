// Transport credentials: TLS 1.3 only, the operator's certificate, and client
// certificates that are optional but, when given, must verify to the
// administrators' CA. Workloads have none: their Evidence is the credential.
//
// Source: threats.md, section 6, "OpenSSL 3.0" (TLS 1.3 only). gRPC 1.51 has
// no C++ setting for the oldest TLS version. It does hand the environment
// variable GRPC_SSL_CIPHER_SUITES to OpenSSL's list for TLS 1.2 and older,
// which leaves 1.3 alone: a list of one suite that needs a pre-shared key,
// which gRPC never sets up, cannot be negotiated. server_test.cc tries both
// versions.
#ifndef KMS_SERVER_TLS_H_
#define KMS_SERVER_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "kms/server/config.h"
#include "storage/log/etcd/client.h"

namespace kms::server {

// Leaves TLS 1.3 as the only version of every gRPC server and channel of this
// process. To be called before the first use of gRPC and before any thread
// (it changes the environment). Overrides what the environment said.
// kInternal: the environment could not be changed.
absl::Status AllowOnlyTls13();

// Credentials from the files. The private key's must be the user's own, mode
// 0600; it stays in gRPC's memory, which is neither locked nor wiped: a thief
// of it can pose as this server, not read keys, which are wrapped to Evidence.
// kFailedPrecondition, kNotFound, kUnavailable: a file cannot be used.
// kInvalidArgument: a file is not PEM of the kind.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(
    const TlsFiles& files);

// What a client of etcd needs: the addresses, and the files' contents. Codes as
// ServerTls.
absl::StatusOr<storage::EtcdEndpoints> EtcdTls(const EtcdConfig& config);
// A file of certificates in PEM, as gRPC takes it; any owner and mode. Codes as
// above.
absl::StatusOr<std::string> ReadPublicPem(const std::string& path);
// A private key in PEM, the user's own. Codes as above.
absl::StatusOr<std::string> ReadPrivatePem(const std::string& path);

}  // namespace kms::server

#endif  // KMS_SERVER_TLS_H_
