#include "tools/client/endpoints.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::client {
namespace {

std::string CertificatePath(const std::string& name) {
  return "tools/client/testdata/" + name;
}

std::string Certificate(const std::string& name) {
  return *ReadFile(CertificatePath(name), 100000);
}

// A TLS server on a free port that counts what reaches it.
class FakeInstance : public v1::SealService::Service {
 public:
  explicit FakeInstance(grpc::Status answer = grpc::Status::OK)
      : answer_(std::move(answer)) {
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = Certificate("ca.pem");
    tls.pem_key_cert_pairs.push_back(
        {Certificate("server.key"), Certificate("server.pem")});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("localhost:0", grpc::SslServerCredentials(tls),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  grpc::Status Seal(grpc::ServerContext* context, const v1::SealRequest*,
                    v1::SealStatus* reply) override {
    ++calls_;
    with_certificate_ = context->auth_context()->IsPeerAuthenticated();
    reply->set_sealed(true);
    return answer_;
  }

  std::string address() const { return absl::StrCat("localhost:", port_); }
  int calls() const { return calls_; }
  bool with_certificate() const { return with_certificate_; }

 private:
  const grpc::Status answer_;
  int port_ = 0;
  std::atomic<int> calls_{0};
  std::atomic<bool> with_certificate_{false};
  std::unique_ptr<grpc::Server> server_;
};

grpc::Status Sealed() {
  v1::RefusalDetail detail;
  detail.set_code(v1::SEALED);
  return grpc::Status(grpc::FAILED_PRECONDITION, "",
                      detail.SerializeAsString());
}

ConnectionOptions To(std::vector<std::string> addresses) {
  ConnectionOptions options;
  options.addresses = std::move(addresses);
  options.ca_file = CertificatePath("ca.pem");
  options.connect_timeout = absl::Milliseconds(500);
  return options;
}

absl::StatusOr<v1::SealStatus> Seal(const ConnectionOptions& options) {
  const auto channels = MakeChannels(options);
  if (!channels.ok()) return channels.status();
  return Endpoints(*channels, options.connect_timeout, options.call_timeout)
      .Call<v1::SealService, v1::SealStatus>(
          &v1::SealService::StubInterface::Seal, v1::SealRequest());
}

// Nothing listens on the discard port of these machines.
constexpr char kNobody[] = "localhost:9";

TEST(Endpoints, CallThroughTlsWithAndWithoutACertificate) {
  FakeInstance instance;
  ASSERT_TRUE(Seal(To({instance.address()})).ok());
  EXPECT_FALSE(instance.with_certificate());
  ConnectionOptions options = To({instance.address()});
  options.cert_file = CertificatePath("admin.pem");
  options.key_file = CertificatePath("admin.key");
  const auto reply = Seal(options);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(reply->sealed());
  EXPECT_TRUE(instance.with_certificate());
}

TEST(Endpoints, DoNotBelieveAServerOfAnotherCa) {
  FakeInstance instance;
  ConnectionOptions options = To({instance.address()});
  options.ca_file = CertificatePath("other_ca.pem");
  const auto reply = Seal(options);
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(instance.calls(), 0);
}

TEST(Endpoints, DoNotBelieveACertificateForAnotherName) {
  FakeInstance instance;
  const std::string port = instance.address().substr(10);
  const auto reply = Seal(To({"127.0.0.1:" + port}));
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(instance.calls(), 0);
}

TEST(Endpoints, TryTheNextWhereNobodyAnswersOrItIsSealed) {
  FakeInstance sealed(Sealed());
  FakeInstance unsealed;
  ConnectionOptions options =
      To({kNobody, sealed.address(), unsealed.address()});
  EXPECT_TRUE(Seal(options).ok());
  EXPECT_EQ(sealed.calls(), 1);
  EXPECT_EQ(unsealed.calls(), 1);
}

TEST(Endpoints, PassByWhoRefusesConnectionsWithoutWaiting) {
  FakeInstance instance;
  ConnectionOptions options = To({kNobody, instance.address()});
  options.connect_timeout = absl::Minutes(10);  // The test would time out.
  EXPECT_TRUE(Seal(options).ok());
}

TEST(Endpoints, CallAtAsksOneAddressAndNoOther) {
  FakeInstance sealed(Sealed());
  FakeInstance unsealed;
  const auto channels =
      MakeChannels(To({sealed.address(), unsealed.address()}));
  ASSERT_TRUE(channels.ok());
  const Endpoints endpoints(*channels, absl::Seconds(3), absl::Seconds(3));
  const auto answer = endpoints.CallAt<v1::SealService, v1::SealStatus>(
      0, &v1::SealService::StubInterface::Seal, v1::SealRequest());
  EXPECT_EQ(RefusalOf(answer.status()), v1::SEALED);
  EXPECT_EQ(unsealed.calls(), 0);
}

TEST(Endpoints, ReportSealedWhenAllAre) {
  FakeInstance sealed(Sealed());
  EXPECT_EQ(RefusalOf(Seal(To({sealed.address(), kNobody})).status()),
            v1::SEALED);
}

TEST(Endpoints, NeverSendACallTwiceThatMayHaveActed) {
  FakeInstance first(grpc::Status(grpc::UNAVAILABLE, "died on the way"));
  FakeInstance second;
  EXPECT_EQ(Seal(To({first.address(), second.address()})).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(first.calls(), 1);
  EXPECT_EQ(second.calls(), 0);
}

TEST(MakeChannels, RefusesWhatWouldTrustTooMuch) {
  const auto exit_code = [](const ConnectionOptions& options) {
    return ExitCodeOf(MakeChannels(options).status());
  };
  EXPECT_EQ(exit_code(To({})), ExitCode::kUsage);
  ConnectionOptions options = To({kNobody});
  options.ca_file = "";
  EXPECT_EQ(exit_code(options), ExitCode::kUsage);
  options.ca_file = "/dev/null";  // Empty would mean the system's CAs.
  EXPECT_EQ(exit_code(options), ExitCode::kUsage);
  options = To({kNobody});
  options.key_file = CertificatePath("admin.key");
  EXPECT_EQ(exit_code(options), ExitCode::kUsage);
}

TEST(FillFromEnvironment, FillsOnlyWhatIsEmpty) {
  setenv("KMS_ADDRESS", "a:1,b:2", 1);
  setenv("KMS_CA", "from-environment", 1);
  ConnectionOptions options;
  options.ca_file = "from-flag";
  FillFromEnvironment(options);
  EXPECT_EQ(options.addresses, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(options.ca_file, "from-flag");
  EXPECT_EQ(options.cert_file, "");
}

}  // namespace
}  // namespace kms::client
