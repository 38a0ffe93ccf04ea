#include "kms/server/peer_tls.h"

#include <grpc/grpc_security_constants.h>

#include <vector>

#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/x509/pem.h"
#include "kms/server/tls.h"

namespace kms::server {
namespace {

constexpr size_t kChainMax = 8;

// The leaf comes first.
absl::StatusOr<std::string> LeafDigest(absl::string_view pem) {
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                       x509::ParsePem(AsBytes(pem), "CERTIFICATE", kChainMax));
  if (chain.empty()) return absl::InvalidArgumentError("no certificate");
  return crypto::Sha256(AsBytes(chain.front()));
}

}  // namespace

absl::StatusOr<PeerTls> ReadPeerTls(const ClusterConfig& config) {
  KMS_ASSIGN_OR_RETURN(const std::string ca, ReadPublicPem(config.ca));
  KMS_ASSIGN_OR_RETURN(const std::string certificate,
                       ReadPublicPem(config.certificate));
  KMS_ASSIGN_OR_RETURN(const std::string private_key,
                       ReadPrivatePem(config.private_key));
  PeerTls tls;
  KMS_ASSIGN_OR_RETURN(tls.certificate_digest, LeafDigest(certificate));
  grpc::SslServerCredentialsOptions server(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  server.pem_root_certs = ca;
  server.pem_key_cert_pairs.push_back({private_key, certificate});
  tls.server = grpc::SslServerCredentials(server);
  tls.client = grpc::SslCredentials({ca, private_key, certificate});
  return tls;
}

std::string PeerCertificateDigest(const grpc::AuthContext& context) {
  const std::vector<grpc::string_ref> found =
      context.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (found.size() != 1) return "";
  const auto digest =
      LeafDigest(absl::string_view(found[0].data(), found[0].size()));
  return digest.ok() ? *digest : "";
}

}  // namespace kms::server
