// The server in this process, over TLS: what sealed means, who may call what,
// and that health and reflection tell the truth.
#include "kms/server/server.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "kms/base/clock.h"
#include "kms/server/config.h"
#include "kms/server/event_log.h"
#include "kms/server/test_certificates.h"
#include "kms/server/tls.h"
#include "proto/kms/v1/audit.grpc.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "proto/kms/v1/policies.grpc.pb.h"
#include "proto/kms/v1/refusal.pb.h"
#include "proto/kms/v1/release.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"

namespace kms::server {
namespace {

v1::RefusalCode RefusalIn(const grpc::Status& status) {
  v1::RefusalDetail detail;
  EXPECT_TRUE(detail.ParseFromString(status.error_details()));
  return detail.code();
}

// Calls one rpc with an empty request over `channel`.
using EmptyCall =
    std::function<grpc::Status(const std::shared_ptr<grpc::Channel>&)>;

template <typename Service, typename Request, typename Response>
EmptyCall CallOf(grpc::Status (Service::Stub::*rpc)(grpc::ClientContext*,
                                                    const Request&,
                                                    Response*)) {
  return [rpc](const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = Service::NewStub(channel);
    grpc::ClientContext context;
    Response response;
    return (stub.get()->*rpc)(&context, Request(), &response);
  };
}

struct NamedCall {
  const char* name;
  EmptyCall call;
};

std::vector<NamedCall> WorkloadCalls() {
  using S = v1::WorkloadService;
  return {{"GetChallenge", CallOf<S>(&S::Stub::GetChallenge)},
          {"ReleaseKey", CallOf<S>(&S::Stub::ReleaseKey)}};
}

std::vector<NamedCall> SealCalls() {
  using S = v1::SealService;
  return {{"Init", CallOf<S>(&S::Stub::Init)},
          {"Unseal", CallOf<S>(&S::Stub::Unseal)},
          {"ResetUnseal", CallOf<S>(&S::Stub::ResetUnseal)},
          {"NewEpoch", CallOf<S>(&S::Stub::NewEpoch)},
          {"Seal", CallOf<S>(&S::Stub::Seal)}};
}

std::vector<NamedCall> AdministratorCalls() {
  using K = v1::KeyService;
  using P = v1::PolicyService;
  using A = v1::AuditService;
  return {
      {"CreateKey", CallOf<K>(&K::Stub::CreateKey)},
      {"GetKey", CallOf<K>(&K::Stub::GetKey)},
      {"ListKeys", CallOf<K>(&K::Stub::ListKeys)},
      {"RotateKey", CallOf<K>(&K::Stub::RotateKey)},
      {"SetKeyVersionState", CallOf<K>(&K::Stub::SetKeyVersionState)},
      {"SetKeyPolicy", CallOf<K>(&K::Stub::SetKeyPolicy)},
      {"GetImportKey", CallOf<K>(&K::Stub::GetImportKey)},
      {"PutPolicy", CallOf<P>(&P::Stub::PutPolicy)},
      {"GetPolicy", CallOf<P>(&P::Stub::GetPolicy)},
      {"ListPolicyVersions", CallOf<P>(&P::Stub::ListPolicyVersions)},
      {"SetPolicyState", CallOf<P>(&P::Stub::SetPolicyState)},
      {"RevertPolicy", CallOf<P>(&P::Stub::RevertPolicy)},
      {"PutReferenceSet", CallOf<P>(&P::Stub::PutReferenceSet)},
      {"GetReferenceSet", CallOf<P>(&P::Stub::GetReferenceSet)},
      {"ListReferenceSets", CallOf<P>(&P::Stub::ListReferenceSets)},
      {"EndReferenceVersion", CallOf<P>(&P::Stub::EndReferenceVersion)},
      {"DryRunPolicy", CallOf<P>(&P::Stub::DryRunPolicy)},
      {"ExplainDecision", CallOf<P>(&P::Stub::ExplainDecision)},
      {"ListPolicies", CallOf<P>(&P::Stub::ListPolicies)},
      {"TestPolicy", CallOf<P>(&P::Stub::TestPolicy)},
      {"PutAnchor", CallOf<P>(&P::Stub::PutAnchor)},
      {"RemoveAnchor", CallOf<P>(&P::Stub::RemoveAnchor)},
      {"ListAnchors", CallOf<P>(&P::Stub::ListAnchors)},
      {"GetCheckpoint", CallOf<A>(&A::Stub::GetCheckpoint)},
      {"ListEntries", CallOf<A>(&A::Stub::ListEntries)},
      {"GetInclusionProof", CallOf<A>(&A::Stub::GetInclusionProof)},
      {"GetConsistencyProof", CallOf<A>(&A::Stub::GetConsistencyProof)},
  };
}

class ServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(AllowOnlyTls13().ok());
    certificates_ = new TestCertificates();
  }
  static void TearDownTestSuite() {
    delete certificates_;
    certificates_ = nullptr;
  }

  ServerTest() {
    std::string name = testing::TempDir() + "/server.XXXXXX";
    directory_ = mkdtemp(name.data());
    config_.listen = {"127.0.0.1:0"};
    config_.data_dir = directory_ + "/data";
    config_.tls = certificates_->files();
    config_.administrators = {"alice"};
    config_.drain_timeout = absl::Seconds(5);
    log_ =
        EventLog::Open(LogLevel::kDebug, directory_ + "/log", clock_).value();
    Start();
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    server_.reset();
    auto server = Server::Start(config_, clock_, *log_,
                                [this](const absl::Status& status) {
                                  EXPECT_TRUE(fatal_expected_) << status;
                                  if (!fatal_.HasBeenNotified())
                                    fatal_.Notify();
                                });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    workload_ = Connect({});
    administrator_ = Connect(certificates_->administrator());
  }

  std::shared_ptr<grpc::Channel> Connect(const TestCertificate& certificate) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = certificates_->server_ca();
    options.pem_cert_chain = certificate.certificate;
    options.pem_private_key = certificate.private_key;
    grpc::ChannelArguments arguments;
    // Not a connection that another test or certificate made.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(
        "127.0.0.1:" + std::to_string(server_->ports()[0]),
        grpc::SslCredentials(options), arguments);
  }

  v1::Status GetStatus(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    v1::Status status;
    const grpc::Status answer =
        v1::StatusService::NewStub(channel)->GetStatus(&context, {}, &status);
    EXPECT_TRUE(answer.ok()) << answer.error_message();
    return status;
  }

  v1::InitResponse Init(uint32_t n, uint32_t k) {
    grpc::ClientContext context;
    v1::InitRequest request;
    request.set_shares(n);
    request.set_threshold(k);
    v1::InitResponse response;
    const grpc::Status answer = v1::SealService::NewStub(administrator_)
                                    ->Init(&context, request, &response);
    EXPECT_TRUE(answer.ok()) << answer.error_message();
    return response;
  }

  grpc::Status Unseal(const std::string& share, v1::SealStatus* status) {
    grpc::ClientContext context;
    v1::UnsealRequest request;
    request.set_share(share);
    return v1::SealService::NewStub(administrator_)
        ->Unseal(&context, request, status);
  }

  // A unary call of raw bytes: the services of gRPC's own have no stubs here.
  std::string RawUnary(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(workload_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    grpc::Slice slice(request);
    const grpc::ByteBuffer bytes(&slice, 1);
    const auto call = stub.PrepareUnaryCall(&context, method, bytes, &queue);
    call->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    call->Finish(&response, &status, nullptr);
    Await(queue);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Flat(response);
  }

  static void Await(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    ASSERT_TRUE(ok);
  }

  static std::string Flat(const grpc::ByteBuffer& bytes) {
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(bytes.Dump(&slices).ok());
    std::string flat;
    for (const grpc::Slice& slice : slices) {
      flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return flat;
  }

  // grpc.health.v1: HealthCheckResponse.status is field 1; 1 is SERVING, 2 is
  // NOT_SERVING.
  std::string Health() { return RawUnary("/grpc.health.v1.Health/Check", ""); }

  static TestCertificates* certificates_;

  std::string directory_;
  SystemClock clock_;
  Config config_;
  std::unique_ptr<EventLog> log_;
  bool fatal_expected_ = false;
  absl::Notification fatal_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> workload_;  // Without a certificate.
  std::shared_ptr<grpc::Channel> administrator_;
};

TestCertificates* ServerTest::certificates_ = nullptr;

TEST_F(ServerTest, SealedItAnswersStatusAndNothingElse) {
  const v1::Status status = GetStatus(workload_);
  EXPECT_FALSE(status.seal().initialized());
  EXPECT_TRUE(status.seal().sealed());
  EXPECT_FALSE(status.serving());
  EXPECT_EQ(status.problem(), "not initialized");
  EXPECT_EQ(Health(), "\x08\x02");

  std::vector<NamedCall> calls = WorkloadCalls();
  for (NamedCall& call : AdministratorCalls()) calls.push_back(call);
  for (const NamedCall& call : calls) {
    const grpc::Status answer = call.call(administrator_);
    EXPECT_EQ(answer.error_code(), grpc::StatusCode::FAILED_PRECONDITION)
        << call.name;
    EXPECT_EQ(RefusalIn(answer), v1::SEALED) << call.name;
  }
}

TEST_F(ServerTest, InitUnsealsAndARestartNeedsTheShares) {
  const v1::InitResponse made = Init(3, 2);
  ASSERT_EQ(made.shares_size(), 3);
  v1::Status status = GetStatus(workload_);
  EXPECT_TRUE(status.serving()) << status.problem();
  EXPECT_EQ(status.cluster_id(), made.cluster_id());
  EXPECT_EQ(status.identity_public_key(), made.identity_public_key());
  EXPECT_EQ(status.epoch(), 1u);
  EXPECT_GT(status.tree_size(), 0u);
  EXPECT_EQ(status.digest().size(), 32u);
  EXPECT_EQ(Health(), "\x08\x01");
  for (const NamedCall& call : WorkloadCalls()) {
    const grpc::Status answer = call.call(workload_);
    if (answer.ok()) continue;
    EXPECT_NE(RefusalIn(answer), v1::SEALED) << call.name;
    EXPECT_NE(RefusalIn(answer), v1::ADMINISTRATOR_REQUIRED) << call.name;
  }

  Start();
  EXPECT_TRUE(GetStatus(workload_).seal().sealed());
  EXPECT_EQ(Health(), "\x08\x02");
  v1::SealStatus seal;
  ASSERT_TRUE(Unseal(made.shares(1), &seal).ok());
  EXPECT_EQ(seal.progress(), 1u);
  EXPECT_TRUE(seal.sealed());
  const grpc::Status again = Unseal(made.shares(1), &seal);
  EXPECT_EQ(again.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(RefusalIn(again), v1::SHARE_REJECTED);
  const grpc::Status last = Unseal(made.shares(2), &seal);
  ASSERT_TRUE(last.ok()) << last.error_message();
  EXPECT_FALSE(seal.sealed());
  EXPECT_EQ(Health(), "\x08\x01");
  EXPECT_EQ(GetStatus(workload_).cluster_id(), made.cluster_id());
}

TEST_F(ServerTest, SealStopsServingAtOnce) {
  Init(1, 1);
  EXPECT_TRUE(
      CallOf<v1::SealService>(&v1::SealService::Stub::Seal)(administrator_)
          .ok());
  EXPECT_TRUE(GetStatus(workload_).seal().sealed());
  EXPECT_EQ(Health(), "\x08\x02");
  EXPECT_EQ(RefusalIn(WorkloadCalls()[0].call(workload_)), v1::SEALED);
}

TEST_F(ServerTest, OnlyListedAdministratorsAdminister) {
  Init(1, 1);
  std::vector<NamedCall> calls = AdministratorCalls();
  for (NamedCall& call : SealCalls()) calls.push_back(call);
  const auto unlisted = Connect(certificates_->other());
  for (const NamedCall& call : calls) {
    for (const auto& channel : {workload_, unlisted}) {
      const grpc::Status answer = call.call(channel);
      EXPECT_EQ(answer.error_code(), grpc::StatusCode::PERMISSION_DENIED)
          << call.name;
      EXPECT_EQ(RefusalIn(answer), v1::ADMINISTRATOR_REQUIRED) << call.name;
    }
  }
  EXPECT_TRUE(GetStatus(workload_).serving());  // None of them sealed it.
  EXPECT_TRUE(
      CallOf<v1::KeyService>(&v1::KeyService::Stub::ListKeys)(administrator_)
          .ok());
}

TEST_F(ServerTest, ACertificateOfAnotherCaDoesNotConnect) {
  const grpc::Status answer = CallOf<v1::StatusService>(
      &v1::StatusService::Stub::GetStatus)(Connect(certificates_->stranger()));
  EXPECT_EQ(answer.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, AWorkloadGetsAChallengeWithoutACertificate) {
  const v1::InitResponse made = Init(1, 1);
  grpc::ClientContext context;
  v1::GetChallengeResponse response;
  const grpc::Status answer =
      v1::WorkloadService::NewStub(workload_)->GetChallenge(&context, {},
                                                            &response);
  ASSERT_TRUE(answer.ok()) << answer.error_message();
  EXPECT_FALSE(response.challenge().empty());
  EXPECT_EQ(response.cluster_id(), made.cluster_id());
}

TEST_F(ServerTest, ChallengesAreLimitedByNetworkWithARetryHint) {
  config_.limits.challenges_per_second = 0.1;  // One at once.
  Start();
  Init(1, 1);
  const EmptyCall get = WorkloadCalls()[0].call;
  EXPECT_TRUE(get(workload_).ok());
  grpc::ClientContext context;
  v1::GetChallengeResponse response;
  const grpc::Status answer = v1::WorkloadService::NewStub(Connect({}))
                                  ->GetChallenge(&context, {}, &response);
  EXPECT_EQ(answer.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(RefusalIn(answer), v1::RATE_LIMITED);
  EXPECT_EQ(context.GetServerTrailingMetadata().count("grpc-retry-pushback-ms"),
            1u);
}

TEST_F(ServerTest, RefusesRequestsOverTheConfiguredBytes) {
  config_.limits.request_bytes = 64 * 1024;
  Start();
  Init(1, 1);
  v1::ReleaseKeyRequest request;
  request.set_evidence(std::string(64 * 1024, 'e'));
  v1::ReleaseKeyResponse response;
  const auto stub = v1::WorkloadService::NewStub(workload_);
  {
    grpc::ClientContext context;
    const grpc::Status answer = stub->ReleaseKey(&context, request, &response);
    EXPECT_EQ(RefusalIn(answer), v1::REQUEST_TOO_LARGE);
  }
  // Far over it, gRPC does not even read on.
  request.set_evidence(std::string(1024 * 1024, 'e'));
  grpc::ClientContext context;
  EXPECT_EQ(stub->ReleaseKey(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ServerTest, ReflectionNamesTheServices) {
  grpc::GenericStub stub(workload_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context,
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  Await(queue);
  grpc::Slice slice(std::string("\x3a\x01*"));  // list_services = "*"
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  Await(queue);
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  Await(queue);
  const std::string listed = Flat(response);
  for (const char* service :
       {"kms.v1.WorkloadService", "kms.v1.KeyService", "kms.v1.PolicyService",
        "kms.v1.AuditService", "kms.v1.SealService", "kms.v1.StatusService"}) {
    EXPECT_NE(listed.find(service), std::string::npos) << service;
  }
  call->WritesDone(nullptr);
  Await(queue);
  grpc::Status status;
  call->Finish(&status, nullptr);
  Await(queue);
  EXPECT_TRUE(status.ok());
}

// What the openssl command says of a handshake with the given version.
std::string Handshake(int port, const std::string& version) {
  const std::string command =
      "openssl s_client -connect 127.0.0.1:" + std::to_string(port) + " -" +
      version + " -alpn h2 </dev/null 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  std::string said;
  std::array<char, 4096> buffer;
  size_t n = 0;
  while ((n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0) {
    said.append(buffer.data(), n);
  }
  pclose(pipe);
  return said;
}

TEST_F(ServerTest, SpeaksTls13Only) {
  const std::string modern = Handshake(server_->ports()[0], "tls1_3");
  EXPECT_NE(modern.find("New, TLSv1.3, Cipher is TLS_"), std::string::npos)
      << modern;
  const std::string old = Handshake(server_->ports()[0], "tls1_2");
  EXPECT_NE(old.find("Cipher is (NONE)"), std::string::npos) << old;
}

// HTTP/2 as a client may forge it: RFC 9113, section 4.1, and RFC 7541, section
// 6.2.2 without Huffman coding.
std::string Frame(char type, char flags, char stream,
                  const std::string& payload) {
  const size_t size = payload.size();
  std::string frame;
  for (const int shift : {16, 8, 0}) {
    frame.push_back(static_cast<char>(size >> shift & 0xff));
  }
  frame.push_back(type);
  frame.push_back(flags);
  return frame + std::string(3, '\0') + stream + payload;
}

std::string HpackString(const std::string& text) {
  if (text.size() < 127) return static_cast<char>(text.size()) + text;
  std::string length = "\x7f";
  size_t rest = text.size() - 127;
  for (; rest >= 128; rest /= 128) {
    length.push_back(static_cast<char>(rest % 128 + 128));
  }
  return length + static_cast<char>(rest) + text;
}

std::string Headers(
    const std::vector<std::pair<std::string, std::string>>& headers) {
  std::string block;
  for (const auto& [name, value] : headers) {
    block += std::string(1, '\0') + HpackString(name) + HpackString(value);
  }
  constexpr size_t kFrameMax = 16384;
  std::string frames;
  for (size_t at = 0; at < block.size(); at += kFrameMax) {
    const bool last = at + kFrameMax >= block.size();
    frames += Frame(at == 0 ? 1 : 9,
                    static_cast<char>((last ? 4 : 0) | (at == 0 ? 1 : 0)), 1,
                    block.substr(at, kFrameMax));
  }
  return frames;
}

// CVE-2023-1428 and its neighbours (threats.md, section 6): headers with bad
// values, then more than fits, once ended the process.
TEST_F(ServerTest, OutlivesHeadersThatOnceEndedTheProcess) {
  const std::vector<std::pair<std::string, std::string>> bad[] = {
      {{"te", "gzip"}},
      {{":scheme", "bogus"}},
      {{"grpclb_client_stats", "x"}},
      {{"grpc-timeout", "99999999999999999999S"}},
      {{"x-bin", "!!!not base64!!!"}},
      {{":status", "200"}},
  };
  for (const auto& extra : bad) {
    std::vector<std::pair<std::string, std::string>> headers = {
        {":method", "POST"},
        {":scheme", "https"},
        {":path", "/kms.v1.StatusService/GetStatus"},
        {":authority", "localhost"}};
    headers.insert(headers.end(), extra.begin(), extra.end());
    for (const size_t size : {size_t{1}, size_t{9000}, size_t{60000}}) {
      headers.emplace_back("x-long", std::string(size, 'a'));
      const std::string path = directory_ + "/frames";
      std::ofstream(path, std::ios::binary)
          << "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
          << Frame(4, 0, 0, "") << Headers(headers);
      const std::string command =
          "openssl s_client -quiet -no_ign_eof -alpn h2 -connect 127.0.0.1:" +
          std::to_string(server_->ports()[0]) + " <" + path +
          " >/dev/null 2>&1";
      // 0, or 1 if the server hung up first, as it may; 127: no command.
      EXPECT_LE(WEXITSTATUS(std::system(command.c_str())), 1);
      headers.pop_back();
    }
  }
  EXPECT_TRUE(GetStatus(workload_).seal().sealed());
}

TEST_F(ServerTest, LogsCallsWithoutWhatTheyCarried) {
  Init(1, 1);
  v1::GetKeyRequest request;
  request.set_name("canary-name");
  grpc::ClientContext context;
  v1::Key key;
  v1::KeyService::NewStub(administrator_)->GetKey(&context, request, &key);
  server_->Drain();
  const std::string log = ReadWhole(directory_ + "/log");
  EXPECT_NE(log.find("\"rpc\":\"KeyService.GetKey\",\"peer\":\"127.0.0.1\","
                     "\"principal\":\"alice\",\"code\":\"NOT_FOUND\","
                     "\"refusal\":\"NOT_FOUND\""),
            std::string::npos)
      << log;
  EXPECT_EQ(log.find("canary-name"), std::string::npos);
  EXPECT_EQ(log.find("kms1-"), std::string::npos);
}

// Neither connections that nobody uses nor a reflection stream that its client
// never ends are worth the drain time of a minute.
TEST_F(ServerTest, DrainWaitsForNoIdleConnectionOrOpenStream) {
  config_.drain_timeout = absl::Minutes(1);
  Start();
  Init(1, 1);
  GetStatus(workload_);
  grpc::GenericStub stub(workload_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context,
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  Await(queue);
  const absl::Time began = absl::Now();
  server_->Drain();
  EXPECT_LT(absl::Now() - began, absl::Seconds(4));
  grpc::Status status;
  call->Finish(&status, nullptr);
  Await(queue);
  EXPECT_FALSE(status.ok());
}

TEST_F(ServerTest, WithoutItsEvidenceArchiveItAdministersButDoesNotServe) {
  const v1::InitResponse made = Init(1, 1);
  server_.reset();
  const std::string archive = directory_ + "/data/cluster/evidence";
  std::filesystem::remove_all(archive);
  std::ofstream(archive) << "in the way";
  Start();
  v1::SealStatus seal;
  ASSERT_TRUE(Unseal(made.shares(0), &seal).ok());
  EXPECT_FALSE(seal.sealed());
  const v1::Status status = GetStatus(workload_);
  EXPECT_FALSE(status.serving());
  EXPECT_EQ(status.problem(), "evidence archive failed: releases are refused");
  EXPECT_EQ(Health(), "\x08\x02");
  EXPECT_TRUE(
      CallOf<v1::KeyService>(&v1::KeyService::Stub::ListKeys)(administrator_)
          .ok());
}

// Writes to the open file whose path ends in `name` fail from now on.
void FailWritesTo(const std::string& name) {
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string path = std::filesystem::read_symlink(entry, gone);
    if (!absl::EndsWith(path, name)) continue;
    const int full = open("/dev/full", O_RDWR | O_CLOEXEC);
    ASSERT_GE(dup2(full, std::stoi(entry.path().filename())), 0);
    close(full);
    return;
  }
  FAIL() << name << " is not open";
}

TEST_F(ServerTest, AFailedDiskEndsServingAndTheStatusSaysWhy) {
  Init(1, 1);
  ASSERT_EQ(Health(), "\x08\x01");
  fatal_expected_ = true;
  FailWritesTo("/log.acknowledged");
  v1::CreateKeyRequest request;
  request.set_name("k");
  grpc::ClientContext context;
  v1::Key key;
  const grpc::Status answer = v1::KeyService::NewStub(administrator_)
                                  ->CreateKey(&context, request, &key);
  EXPECT_EQ(RefusalIn(answer), v1::INTERNAL_ERROR) << answer.error_message();
  EXPECT_TRUE(fatal_.WaitForNotificationWithTimeout(absl::Seconds(30)));

  std::vector<NamedCall> calls = WorkloadCalls();
  for (NamedCall& call : AdministratorCalls()) calls.push_back(call);
  for (const NamedCall& call : calls) {
    EXPECT_EQ(RefusalIn(call.call(administrator_)), v1::INTERNAL_ERROR)
        << call.name;
  }
  const v1::Status status = GetStatus(workload_);
  EXPECT_FALSE(status.serving());
  EXPECT_EQ(status.problem(), "INTERNAL_ERROR");
  while (Health() != "\x08\x02") {  // At the next beat.
  }
  // Sealing still works, and so does ending.
  EXPECT_TRUE(
      CallOf<v1::SealService>(&v1::SealService::Stub::Seal)(administrator_)
          .ok());
}

TEST_F(ServerTest, DevelopmentSealAndOpenAdministrationAreLoud) {
  config_.seal.kind = seal::SealKind::kDevelopment;
  config_.seal.key_file = directory_ + "/root.key";
  config_.simulated_anchors = {"simulated-snp"};
  config_.administrators = {};
  Start();
  const v1::InitResponse made = Init(0, 0);
  EXPECT_EQ(made.shares_size(), 0);
  Start();
  const v1::Status status = GetStatus(workload_);
  EXPECT_TRUE(status.serving()) << status.problem();
  EXPECT_EQ(status.seal().kind(), "development");
  EXPECT_EQ(status.warnings_size(), 3);
  EXPECT_NE(ReadWhole(directory_ + "/log").find("development seal"),
            std::string::npos);
}

}  // namespace
}  // namespace kms::server
