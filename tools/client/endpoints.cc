#include "tools/client/endpoints.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/secret.h"
#include "kms/base/status.h"
#include "tools/client/file.h"
#include "tools/client/grpc_status.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

// A page of audit leaves is up to 4 MiB beside its framing.
constexpr int kReplyBytesMax = 8 * 1024 * 1024;
// Certificates and keys in PEM; a CA file may hold several.
constexpr size_t kPemBytesMax = 256 * 1024;

std::chrono::system_clock::time_point Deadline(absl::Duration from_now) {
  return absl::ToChronoTime(SystemClock().Now() + from_now);
}

void FillFrom(const char* variable, std::string& value) {
  if (!value.empty()) return;
  if (const char* const set = std::getenv(variable); set != nullptr) {
    value = set;
  }
}

// Whether there is a connection by `deadline`. A first try that fails ends it
// unless `patient`: somebody else may answer sooner than this one comes back.
bool Connected(grpc::Channel& channel,
               std::chrono::system_clock::time_point deadline, bool patient) {
  if (patient) return channel.WaitForConnected(deadline);
  for (grpc_connectivity_state state = channel.GetState(/*connect=*/true);
       state != GRPC_CHANNEL_READY;
       state = channel.GetState(/*connect=*/true)) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE ||
        state == GRPC_CHANNEL_SHUTDOWN ||
        !channel.WaitForStateChange(state, deadline)) {
      return false;
    }
  }
  return true;
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
  // Two Endpoints of one process never share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
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

absl::StatusOr<std::vector<std::shared_ptr<grpc::Channel>>> MakeChannels(
    const ConnectionOptions& options) {
  if (options.addresses.empty()) {
    return UsageError("no address: give --address host:port or KMS_ADDRESS");
  }
  if (options.ca_file.empty()) {
    return UsageError("no CA certificate: give --ca FILE or KMS_CA");
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return UsageError("--cert and --key go together");
  }
  grpc::SslCredentialsOptions tls;
  KMS_ASSIGN_OR_RETURN(tls.pem_root_certs,
                       ReadFile(options.ca_file, kPemBytesMax));
  if (tls.pem_root_certs.empty()) {
    // An empty string would make gRPC trust the system's CAs.
    return UsageError("CA certificate: the file is empty");
  }
  if (!options.cert_file.empty()) {
    KMS_ASSIGN_OR_RETURN(tls.pem_cert_chain,
                         ReadFile(options.cert_file, kPemBytesMax));
    KMS_ASSIGN_OR_RETURN(tls.pem_private_key,
                         ReadFile(options.key_file, kPemBytesMax));
  }
  const auto credentials = grpc::SslCredentials(tls);
  Wipe(tls.pem_private_key);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (const std::string& address : options.addresses) {
    channels.push_back(
        grpc::CreateCustomChannel(address, credentials, Arguments()));
  }
  return channels;
}

Endpoints::Endpoints(std::vector<std::shared_ptr<grpc::Channel>> channels,
                     absl::Duration connect_timeout,
                     absl::Duration call_timeout)
    : channels_(std::move(channels)),
      connect_timeout_(connect_timeout),
      call_timeout_(call_timeout) {}

absl::Status Endpoints::ForEachUntilAnswered(const Channels& channels,
                                             const OneCall& call) const {
  absl::Status last = absl::UnavailableError(absl::StrCat(
      "no instance reached (", channels.size(), " tried), TLS included"));
  // All connect at once, so that the next is ready where one is not.
  for (const auto& channel : channels) channel->GetState(/*connect=*/true);
  const auto deadline = Deadline(connect_timeout_);
  for (const std::shared_ptr<grpc::Channel>& channel : channels) {
    if (!Connected(*channel, deadline, /*patient=*/channels.size() == 1)) {
      continue;
    }
    grpc::ClientContext context;
    context.set_deadline(Deadline(call_timeout_));
    last = FromGrpc(call(channel, context));
    if (!IsRefusal(last) || RefusalOf(last) != v1::SEALED) return last;
  }
  return last;
}

}  // namespace kms::client
