#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "kms/instance/testing.h"
#include "kms/metrics/call_metrics.h"
#include "kms/metrics/endpoint.h"
#include "kms/metrics/instance_metrics.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "proto/kms/v1/seal.pb.h"
#include "storage/replica/replica.h"

namespace kms::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const prometheus::Collectable& collectable) {
  return prometheus::TextSerializer().Serialize(collectable.Collect());
}

// What a scraper gets of `path`, headers included.
std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(fd);
    return "";
  }
  const std::string request = "GET " + path +
                              " HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n";
  EXPECT_EQ(send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

TEST(CallMetricsTest, CountsByRpcAndOutcome) {
  prometheus::Registry registry;
  CallMetrics calls(registry);
  calls.Count("WorkloadService.ReleaseKey", "OK", absl::Milliseconds(3));
  calls.Count("WorkloadService.ReleaseKey", "OK", absl::Milliseconds(3));
  calls.Count("WorkloadService.ReleaseKey", "DEBUG_DENIED", absl::Seconds(3));
  const std::string text = TextOf(registry);
  EXPECT_THAT(text, HasSubstr("kms_calls_total{code=\"OK\",rpc=\"Workload"
                              "Service.ReleaseKey\"} 2"));
  EXPECT_THAT(text, HasSubstr("kms_calls_total{code=\"DEBUG_DENIED\",rpc=\""
                              "WorkloadService.ReleaseKey\"} 1"));
  EXPECT_THAT(text, HasSubstr("le=\"0.005\"} 2"));
  EXPECT_THAT(text, HasSubstr("le=\"10\"} 3"));
}

class InstanceMetricsTest : public testing::Test {
 protected:
  InstanceMetrics Metrics() {
    return InstanceMetrics(
        {[this] { return status_; }, [] { return 7u; }, &test_->holder});
  }

  std::unique_ptr<TestInstance> test_ = MakeTestInstance();
  v1::Status status_;
};

TEST_F(InstanceMetricsTest, ShowsWhereAnUnsealedInstanceStands) {
  status_.mutable_seal()->set_initialized(true);
  status_.set_serving(true);
  status_.set_epoch(1);
  status_.set_index(42);
  status_.set_log_time_us(1'500'000);
  const std::string text = TextOf(Metrics());
  EXPECT_THAT(text, HasSubstr("\nkms_sealed 0"));
  EXPECT_THAT(text, HasSubstr("\nkms_serving 1"));
  EXPECT_THAT(text, HasSubstr("\nkms_log_index 42"));
  EXPECT_THAT(text, HasSubstr("\nkms_log_time_seconds 1.5"));
  EXPECT_THAT(text, HasSubstr("\nkms_calls_in_flight 7"));
}

TEST_F(InstanceMetricsTest, ASealedInstanceShowsNoPosition) {
  test_->Seal();
  status_.mutable_seal()->set_sealed(true);
  const std::string text = TextOf(Metrics());
  EXPECT_THAT(text, HasSubstr("\nkms_sealed 1"));
  EXPECT_THAT(text, Not(HasSubstr("kms_log_index")));
}

TEST_F(InstanceMetricsTest, ShowsTheNearestEndOfEachRoleAndNoSubject) {
  const auto put = [this](const char* subject, int64_t next_update_us) {
    ::storage::v1::Command command;
    command.set_salt(std::string(16, 's'));
    command.set_principal("alice");
    command.set_namespace_("default");
    auto& collateral = *command.mutable_put_collateral();
    collateral.set_role("crl");
    collateral.set_subject(subject);
    collateral.set_evidence_type(1);
    collateral.set_next_update_us(next_update_us);
    collateral.set_content("content");
    collateral.set_digest(crypto::Sha256(AsBytes(collateral.content())));
    const auto applied = test_->get()->replica->Propose(
        command, absl::Now() + absl::Seconds(30));
    ASSERT_TRUE(applied.ok()) << applied.status();
    ASSERT_TRUE(applied->effect.ok()) << applied->effect.status();
  };
  put("secret-subject-1", 9'000'000);
  put("secret-subject-2", 5'000'000);
  put("secret-subject-3", 0);  // Says no end.
  const std::string text = TextOf(Metrics());
  EXPECT_THAT(text, HasSubstr("kms_collateral_items{role=\"crl\"} 3"));
  EXPECT_THAT(text,
              HasSubstr("kms_collateral_next_update_seconds{role=\"crl\"} 5"));
  EXPECT_THAT(text, Not(HasSubstr("secret-subject")));
}

TEST(EndpointTest, AnswersAScrapeAndNothingElse) {
  auto endpoint = Endpoint::Open("127.0.0.1:0");
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  CallMetrics calls((*endpoint)->registry());
  calls.Count("KeyService.GetKey", "OK", absl::Milliseconds(1));
  const std::string scraped = Get((*endpoint)->port(), "/metrics");
  EXPECT_THAT(scraped, HasSubstr("200 OK"));
  EXPECT_THAT(scraped, HasSubstr("kms_calls_total"));
  EXPECT_THAT(Get((*endpoint)->port(), "/"), HasSubstr("404"));
  EXPECT_THAT(Get((*endpoint)->port(), "/metrics/../etc/passwd"),
              HasSubstr("404"));
}

TEST(EndpointTest, TellsThatAnAddressIsTaken) {
  const auto first = Endpoint::Open("127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  const auto second =
      Endpoint::Open("127.0.0.1:" + std::to_string((*first)->port()));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace kms::metrics
