// The small parts that a call passes: admission, status mapping, log lines.
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "kms/base/clock.h"
#include "kms/base/refusal.h"
#include "kms/server/admission.h"
#include "kms/server/event_log.h"
#include "kms/server/grpc_status.h"
#include "proto/kms/v1/refusal.pb.h"

namespace kms::server {
namespace {

TEST(AdmissionTest, RefusesOverTheLimitUntilOneLeaves) {
  Admission admission(2);
  std::optional<Admission::Ticket> first(*admission.Enter());
  const Admission::Ticket second = *admission.Enter();
  EXPECT_EQ(RefusalOf(admission.Enter().status()), v1::RATE_LIMITED);
  EXPECT_EQ(admission.in_flight(), 2u);  // The refused one left nothing.
  first.reset();
  EXPECT_TRUE(admission.Enter().ok());
  EXPECT_EQ(admission.in_flight(), 1u);
}

TEST(AdmissionTest, ClosedItRefusesAndWaitsForThoseInside) {
  Admission admission(2);
  std::optional<Admission::Ticket> last(*admission.Enter());
  EXPECT_FALSE(admission.CloseAndWait(absl::ZeroDuration()));
  EXPECT_EQ(RefusalOf(admission.Enter().status()), v1::LOG_UNAVAILABLE);
  std::thread leaves([&] { last.reset(); });
  EXPECT_TRUE(admission.CloseAndWait(absl::Minutes(1)));
  leaves.join();
}

TEST(GrpcStatusTest, CarriesCodeReasonAndExactRefusal) {
  const grpc::Status status =
      ToGrpcStatus(Refuse(v1::SEALED, "instance: sealed"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "instance: sealed");
  v1::RefusalDetail detail;
  ASSERT_TRUE(detail.ParseFromString(status.error_details()));
  EXPECT_EQ(detail.code(), v1::SEALED);
  EXPECT_EQ(detail.reason(), "instance: sealed");
}

TEST(GrpcStatusTest, HidesWhatLibrariesSayAndKeepsTheCode) {
  const grpc::Status status =
      ToGrpcStatus(absl::UnavailableError("/var/lib/kmsd: errno 5"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message().find("/var"), std::string::npos);
  v1::RefusalDetail detail;
  ASSERT_TRUE(detail.ParseFromString(status.error_details()));
  EXPECT_EQ(detail.code(), v1::LOG_UNAVAILABLE);
}

TEST(GrpcStatusTest, CutsLongReasons) {
  EXPECT_EQ(ToGrpcStatus(Refuse(v1::NOT_FOUND, std::string(600, 'x')))
                .error_message()
                .size(),
            512u);
}

TEST(GrpcStatusTest, OkIsOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(EventLogTest, WritesOneEscapedJsonObjectALineAtItsLevel) {
  const std::string path = testing::TempDir() + "/events.json";
  const ManualClock clock(absl::FromUnixMicros(1700000000123456));
  {
    auto log = EventLog::Open(LogLevel::kInfo, path, clock);
    ASSERT_TRUE(log.ok()) << log.status();
    (*log)->Write(LogLevel::kDebug, "unseen", {});
    (*log)->Write(LogLevel::kError, "rpc", {{"a", "say \"hi\"\n\\"}});
  }
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text,
            "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"error\","
            "\"event\":\"rpc\",\"a\":\"say \\\"hi\\\"?\\\\\"}\n");
}

TEST(EventLogTest, AFileThatCannotBeOpenedIsUnavailable) {
  const ManualClock clock(absl::UnixEpoch());
  EXPECT_EQ(EventLog::Open(LogLevel::kInfo, "/proc/nonexistent/log", clock)
                .status()
                .code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace kms::server
