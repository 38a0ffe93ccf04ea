#include "tools/client/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <cstdlib>

#include "absl/strings/str_split.h"
#include "kms/base/file.h"
#include "kms/base/secret.h"
#include "kms/base/status.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

// A page of audit leaves is up to 4 MiB beside its framing.
constexpr int kReplyBytesMax = 8 * 1024 * 1024;
// Certificates and keys in PEM; a CA file may hold several.
constexpr size_t kPemBytesMax = 256 * 1024;

void FillFrom(const char* variable, std::string& value) {
  if (!value.empty()) return;
  if (const char* const set = std::getenv(variable); set != nullptr) {
    value = set;
  }
}

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kReplyBytesMax);
  // A proxy named in the environment would see who asks for which key; TLS
  // goes to the instance itself.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Whether to repeat a call is decided above, where it is known what it does.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Two channels of one process never share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const std::string& trusted, const ConnectionOptions& options) {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = trusted;
  if (!options.cert_file.empty()) {
    KMS_ASSIGN_OR_RETURN(tls.pem_cert_chain,
                         ReadFile(options.cert_file, kPemBytesMax));
    KMS_ASSIGN_OR_RETURN(tls.pem_private_key,
                         ReadFile(options.key_file, kPemBytesMax));
  }
  auto credentials = grpc::SslCredentials(tls);
  Wipe(tls.pem_private_key);
  return credentials;
}

absl::Status CheckOptions(const ConnectionOptions& options) {
  if (options.addresses.empty()) {
    return UsageError("no address: give --address host:port or KMS_ADDRESS");
  }
  if (options.ca_file.empty()) {
    return UsageError("no CA certificate: give --ca FILE or KMS_CA");
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return UsageError("--cert and --key go together");
  }
  return absl::OkStatus();
}

}  // namespace

void FillFromEnvironment(ConnectionOptions& options) {
  if (options.addresses.empty()) {
    std::string addresses;
    FillFrom("KMS_ADDRESS", addresses);
    for (absl::string_view address :
         absl::StrSplit(addresses, ',', absl::SkipWhitespace())) {
      options.addresses.emplace_back(address);
    }
  }
  FillFrom("KMS_CA", options.ca_file);
  FillFrom("KMS_CERT", options.cert_file);
  FillFrom("KMS_KEY", options.key_file);
}

absl::StatusOr<std::string> ReadTrusted(const ConnectionOptions& options) {
  KMS_RETURN_IF_ERROR(CheckOptions(options));
  KMS_ASSIGN_OR_RETURN(std::string trusted,
                       ReadFile(options.ca_file, kPemBytesMax));
  if (trusted.empty()) {
    // An empty string would make gRPC trust the system's CAs.
    return UsageError("CA certificate: the file is empty");
  }
  return trusted;
}

absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> MakeChannels(
    const ConnectionOptions& options) {
  KMS_ASSIGN_OR_RETURN(const std::string trusted, ReadTrusted(options));
  KMS_ASSIGN_OR_RETURN(const auto credentials, Credentials(trusted, options));
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : options.addresses) {
    channels.push_back(
        grpc::CreateCustomChannel(address, credentials, Arguments()));
  }
  return channels;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(
    const std::string& address, const std::string& trusted,
    const ConnectionOptions& options) {
  KMS_ASSIGN_OR_RETURN(const auto credentials, Credentials(trusted, options));
  return grpc::CreateCustomChannel(address, credentials, Arguments());
}

bool AwaitConnected(grpc::Channel& channel, absl::Time deadline, bool patient) {
  const auto until = absl::ToChronoTime(deadline);
  if (patient) return channel.WaitForConnected(until);
  for (grpc_connectivity_state state = channel.GetState(/*connect=*/true);
       state != GRPC_CHANNEL_READY;
       state = channel.GetState(/*connect=*/true)) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE ||
        state == GRPC_CHANNEL_SHUTDOWN ||
        !channel.WaitForStateChange(state, until)) {
      return false;
    }
  }
  return true;
}

}  // namespace kms::client
