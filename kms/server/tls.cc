#include "kms/server/tls.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/status.h"
#include "kms/seal/private_file.h"
#include "kms/server/limits.h"

namespace kms::server {
namespace {

constexpr char kNeverNegotiated[] = "PSK-AES256-GCM-SHA384";

}  // namespace

absl::Status AllowOnlyTls13() {
  if (setenv("GRPC_SSL_CIPHER_SUITES", kNeverNegotiated, 1) != 0) {
    return absl::InternalError("setenv: no room");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadPublicPem(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  std::string pem(kPemBytesMax + 1, '\0');
  in.read(pem.data(), static_cast<std::streamsize>(pem.size()));
  pem.resize(static_cast<size_t>(in.gcount()));
  if (pem.size() > kPemBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": over ", kPemBytesMax, " bytes"));
  }
  // gRPC skips what it does not understand: a DER file or an empty one would
  // be a CA list without a CA.
  if (!absl::StrContains(pem, "-----BEGIN CERTIFICATE-----")) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no PEM certificate"));
  }
  return pem;
}

absl::StatusOr<std::string> ReadPrivatePem(const std::string& path) {
  KMS_ASSIGN_OR_RETURN(std::string pem,
                       seal::ReadPrivateFile(path, kPemBytesMax));
  if (!absl::StrContains(pem, "PRIVATE KEY-----")) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no PEM private key"));
  }
  return pem;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(
    const TlsFiles& files) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  KMS_ASSIGN_OR_RETURN(options.pem_root_certs,
                       ReadPublicPem(files.administrators_ca));
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  KMS_ASSIGN_OR_RETURN(pair.cert_chain, ReadPublicPem(files.certificate));
  KMS_ASSIGN_OR_RETURN(pair.private_key, ReadPrivatePem(files.private_key));
  options.pem_key_cert_pairs.push_back(std::move(pair));
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<storage::EtcdEndpoints> EtcdTls(const EtcdConfig& config) {
  storage::EtcdEndpoints endpoints;
  endpoints.addresses = config.endpoints;
  KMS_ASSIGN_OR_RETURN(endpoints.ca_certificates,
                       ReadPublicPem(config.ca_file));
  KMS_ASSIGN_OR_RETURN(endpoints.certificate,
                       ReadPublicPem(config.certificate_file));
  KMS_ASSIGN_OR_RETURN(endpoints.private_key, ReadPrivatePem(config.key_file));
  return endpoints;
}

}  // namespace kms::server
