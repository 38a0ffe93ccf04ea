#include "tests/integration/kmsd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "kms/base/status.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tools/client/grpc_status.h"

namespace kms::testing {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

absl::Status WriteFile(const std::string& path, const std::string& contents,
                       mode_t mode) {
  std::ofstream(path, std::ios::binary) << contents;
  if (chmod(path.c_str(), mode) != 0) {
    return absl::InternalError(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

// The certificates of one small fleet: a CA, the server, an administrator,
// and a stranger whom the same CA also certified.
absl::Status MakeCertificates(const std::string& directory) {
  const std::string script = absl::StrCat(
      "set -e; cd '", directory,
      "';"
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      " -days 3650 -subj '/CN=test CA' -keyout ca.key -out ca.pem;"
      "leaf() {"
      " printf '%s\\n' \"$2\" > leaf.ext;"
      " openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      "  -subj \"/CN=$1\" -keyout \"$1.key\" -out leaf.csr;"
      " openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 3650"
      "  -CAcreateserial -extfile leaf.ext -out \"$1.pem\"; };"
      "leaf localhost 'subjectAltName=DNS:localhost';"
      "leaf admin 'extendedKeyUsage=clientAuth';"
      "leaf stranger 'extendedKeyUsage=clientAuth';"
      "chmod 600 *.key");
  if (std::system(absl::StrCat("(", script, ") 2>/dev/null").c_str()) != 0) {
    return absl::InternalError("openssl could not make the certificates");
  }
  return absl::OkStatus();
}

std::unique_ptr<grpc::ClientContext> Context(absl::Duration timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() +
                        absl::ToChronoMilliseconds(timeout));
  return context;
}

}  // namespace

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  int port = 0;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  close(fd);
  return port;
}

KmsdProcess::KmsdProcess(KmsdOptions options)
    : options_(std::move(options)),
      address_(absl::StrCat("localhost:", FreePort())) {}

absl::StatusOr<std::unique_ptr<KmsdProcess>> KmsdProcess::Create(
    KmsdOptions options) {
  std::unique_ptr<KmsdProcess> process(new KmsdProcess(std::move(options)));
  KMS_RETURN_IF_ERROR(MakeCertificates(process->options_.directory));
  KMS_RETURN_IF_ERROR(process->WriteConfig());
  return process;
}

KmsdProcess::~KmsdProcess() { Kill(); }

absl::Status KmsdProcess::WriteConfig() {
  if (mkdir(path("data").c_str(), 0700) != 0) {
    return absl::InternalError("cannot make the data directory");
  }
  std::string config = absl::StrCat(
      "listen: [\"", address_, "\"]\ndata_dir: ", path("data"),
      "\ntls:\n  certificate: ", path("localhost.pem"),
      "\n  private_key: ", path("localhost.key"),
      "\n  administrators_ca: ", path("ca.pem"),
      "\nadministrators: [admin]\nlog:\n  file: ", path("kmsd.log"), "\n");
  if (!options_.etcd.empty()) {
    absl::StrAppend(&config, "  etcd: ", options_.etcd, "\n");
  }
  if (!options_.seal.empty()) {
    absl::StrAppend(&config, "seal: ", options_.seal, "\n");
  } else if (options_.development_seal) {
    absl::StrAppend(&config, "seal:\n  kind: development\n  key_file: ",
                    path("root.key"), "\n");
  } else {
    absl::StrAppend(&config, "seal:\n  kind: shamir\n");
  }
  if (!options_.simulated_anchors.empty()) {
    absl::StrAppend(&config, "simulated_anchors: [",
                    absl::StrJoin(options_.simulated_anchors, ", "), "]\n");
  }
  if (!options_.limits.empty()) {
    absl::StrAppend(&config, "limits:\n  ",
                    absl::StrJoin(options_.limits, "\n  "), "\n");
  }
  config += options_.config;
  return WriteFile(path("kmsd.yaml"), config, 0600);
}

absl::Status KmsdProcess::Start() {
  const std::string config = path("kmsd.yaml");
  const std::string output = path("kmsd.out");
  pid_ = fork();
  if (pid_ == 0) {
    const int out = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl(options_.kmsd.c_str(), "kmsd", "--config", config.c_str(), nullptr);
    _exit(127);
  }
  const absl::Time give_up = absl::Now() + kStartTimeout;
  while (absl::Now() < give_up) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return absl::InternalError(absl::StrCat("kmsd ended at once:\n", log()));
    }
    // Waits for the connection, not for a guess of how long it takes.
    if (GetStatus().ok()) return absl::OkStatus();
  }
  return absl::DeadlineExceededError(absl::StrCat("kmsd: no answer\n", log()));
}

absl::Status KmsdProcess::AwaitServing() const {
  const absl::Time give_up = absl::Now() + kStartTimeout;
  absl::StatusOr<v1::Status> status;
  do {
    status = GetStatus();
    if (status.ok() && status->serving()) return absl::OkStatus();
  } while (absl::Now() < give_up);
  return absl::DeadlineExceededError(
      absl::StrCat("kmsd does not serve\n", log()));
}

void KmsdProcess::Signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

void KmsdProcess::Kill() {
  if (pid_ <= 0) return;
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

absl::StatusOr<int> KmsdProcess::Terminate() {
  Signal(SIGTERM);
  int state = 0;
  if (waitpid(pid_, &state, 0) != pid_ || !WIFEXITED(state)) {
    return absl::InternalError("kmsd did not exit by itself");
  }
  pid_ = -1;
  return WEXITSTATUS(state);
}

absl::StatusOr<v1::InitResponse> KmsdProcess::Init(uint32_t shares,
                                                   uint32_t threshold) {
  v1::InitRequest request;
  request.set_shares(shares);
  request.set_threshold(threshold);
  v1::InitResponse response;
  KMS_RETURN_IF_ERROR(client::FromGrpc(
      v1::SealService::NewStub(AdminChannel())
          ->Init(Context(absl::Seconds(30)).get(), request, &response)));
  return response;
}

absl::StatusOr<v1::Status> KmsdProcess::GetStatus() const {
  const auto context = Context(absl::Seconds(2));
  context->set_wait_for_ready(true);
  v1::Status response;
  KMS_RETURN_IF_ERROR(client::FromGrpc(
      v1::StatusService::NewStub(WorkloadChannel())
          ->GetStatus(context.get(), v1::GetStatusRequest(), &response)));
  return response;
}

std::shared_ptr<grpc::Channel> KmsdProcess::Connect(
    const std::string& certificate) const {
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = ReadFile(path("ca.pem"));
  if (!certificate.empty()) {
    tls.pem_cert_chain = ReadFile(path(certificate + ".pem"));
    tls.pem_private_key = ReadFile(path(certificate + ".key"));
  }
  grpc::ChannelArguments arguments;
  // A connection of its own, found again soon after a restart.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  // Also how long a handshake may take: a busy machine needs its time.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  return grpc::CreateCustomChannel(address_, grpc::SslCredentials(tls),
                                   arguments);
}

std::shared_ptr<grpc::Channel> KmsdProcess::AdminChannel() const {
  return Connect("admin");
}
std::shared_ptr<grpc::Channel> KmsdProcess::WorkloadChannel() const {
  return Connect("");
}
std::shared_ptr<grpc::Channel> KmsdProcess::StrangerChannel() const {
  return Connect("stranger");
}

std::string KmsdProcess::log() const {
  return ReadFile(path("kmsd.out")) + ReadFile(path("kmsd.log"));
}

absl::StatusOr<loadgen::Pins> SetUp(KmsdProcess& kmsd,
                                    const simtee::SimulatedSnp& attester,
                                    const std::string& policy_name,
                                    const std::string& policy_document) {
  KMS_ASSIGN_OR_RETURN(const v1::InitResponse init, kmsd.Init(0, 0));
  const auto policies = v1::PolicyService::NewStub(kmsd.AdminChannel());
  v1::PutAnchorRequest anchor;
  anchor.set_name(std::string(kSimulatedAnchor));
  anchor.set_type(v1::SEV_SNP);
  anchor.set_certificate(attester.ark().der());
  anchor.set_simulated(true);
  v1::Anchor stored_anchor;
  KMS_RETURN_IF_ERROR(client::FromGrpc(policies->PutAnchor(
      Context(absl::Seconds(10)).get(), anchor, &stored_anchor)));
  v1::PutPolicyRequest policy;
  policy.set_name(policy_name);
  policy.set_document(policy_document);
  v1::Policy stored_policy;
  KMS_RETURN_IF_ERROR(client::FromGrpc(policies->PutPolicy(
      Context(absl::Seconds(10)).get(), policy, &stored_policy)));
  return loadgen::Pins{init.cluster_id(), init.identity_public_key()};
}

}  // namespace kms::testing
