#include "tools/client/outcome.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "kms/base/refusal.h"
#include "tools/client/grpc_status.h"

namespace kms::client {
namespace {

grpc::Status FromServer(v1::RefusalCode code, const std::string& reason) {
  v1::RefusalDetail detail;
  detail.set_code(code);
  detail.set_reason(reason);
  const absl::Status status = Refuse(code, reason);
  return grpc::Status(
      static_cast<grpc::StatusCode>(static_cast<int>(status.code())), reason,
      detail.SerializeAsString());
}

TEST(FromGrpc, KeepsTheRefusalCodeOfEveryKnownCode) {
  for (int i = v1::RefusalCode_MIN + 1; i <= v1::RefusalCode_MAX; ++i) {
    if (!v1::RefusalCode_IsValid(i)) continue;
    const auto code = static_cast<v1::RefusalCode>(i);
    const absl::Status status = FromGrpc(FromServer(code, "reason"));
    EXPECT_EQ(RefusalOf(status), code);
    EXPECT_TRUE(IsRefusal(status));
    EXPECT_EQ(status.message(), "reason");
    EXPECT_EQ(CodeName(status), v1::RefusalCode_Name(code));
  }
}

TEST(FromGrpc, IsOkOnlyForOk) {
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  EXPECT_EQ(FromGrpc(grpc::Status(grpc::NOT_FOUND, "x")).code(),
            absl::StatusCode::kNotFound);
}

TEST(FromGrpc, FallsBackToTheStatusCodeForDetailsItCannotRead) {
  const absl::Status garbage =
      FromGrpc(grpc::Status(grpc::PERMISSION_DENIED, "x", "\xff\xff"));
  EXPECT_EQ(garbage.code(), absl::StatusCode::kPermissionDenied);
  v1::RefusalDetail unknown;
  unknown.set_code(static_cast<v1::RefusalCode>(9999));
  const absl::Status newer = FromGrpc(
      grpc::Status(grpc::ABORTED, "newer", unknown.SerializeAsString()));
  EXPECT_EQ(newer.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(newer.message(), "newer");
}

TEST(FromGrpc, EscapesWhatCouldDriveATerminal) {
  const absl::Status status =
      FromGrpc(FromServer(v1::POLICY_DENIED, "a\x1b[2Jb\nkmsctl: fine"));
  EXPECT_EQ(status.message(), "a\\x1b[2Jb\\nkmsctl: fine");
  EXPECT_EQ(FromGrpc(FromServer(v1::POLICY_DENIED, "it's \"a\"")).message(),
            "it's \"a\"");
  const absl::Status longer =
      FromGrpc(FromServer(v1::POLICY_DENIED, std::string(5000, 'a')));
  EXPECT_EQ(longer.message().size(), 512u);
}

TEST(ExitCode, TellsServiceTransportAndProofApart) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(UsageError("x")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(IntegrityError("x")), ExitCode::kIntegrity);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("a file")), ExitCode::kFailed);
  EXPECT_EQ(ExitCodeOf(FromGrpc(grpc::Status(grpc::UNAVAILABLE, "x"))),
            ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(FromGrpc(grpc::Status(grpc::DEADLINE_EXCEEDED, "x"))),
            ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(FromGrpc(grpc::Status(grpc::UNIMPLEMENTED, "x"))),
            ExitCode::kFailed);
}

TEST(ExitCode, OfARefusalFollowsItsCode) {
  const auto exit_code = [](v1::RefusalCode code) {
    return ExitCodeOf(FromGrpc(FromServer(code, "x")));
  };
  EXPECT_EQ(exit_code(v1::POLICY_DENIED), ExitCode::kRefused);
  EXPECT_EQ(exit_code(v1::SIGNATURE_INVALID), ExitCode::kRefused);
  EXPECT_EQ(exit_code(v1::QUOTA_EXHAUSTED), ExitCode::kRefused);
  EXPECT_EQ(exit_code(v1::VERSION_CONFLICT), ExitCode::kRefused);
  for (v1::RefusalCode code : {v1::SEALED, v1::LOG_UNAVAILABLE,
                               v1::RATE_LIMITED, v1::APPRAISAL_STALE}) {
    EXPECT_EQ(exit_code(code), ExitCode::kUnavailable) << RefusalName(code);
  }
  EXPECT_EQ(exit_code(v1::DATA_LOSS), ExitCode::kIntegrity);
  EXPECT_EQ(exit_code(v1::INTERNAL_ERROR), ExitCode::kFailed);
}

TEST(PrintFailure, NamesCauseAndNextStep) {
  std::ostringstream err;
  PrintFailure("kmsctl", FromGrpc(FromServer(v1::SEALED, "instance: sealed")),
               err);
  EXPECT_EQ(err.str(),
            "kmsctl: SEALED: instance: sealed\n"
            "next: unseal the instance (kmsctl unseal), or ask another one\n");
  std::ostringstream nothing;
  PrintFailure("kmsctl", absl::OkStatus(), nothing);
  EXPECT_EQ(nothing.str(), "");
}

TEST(AsIntegrityError, OverridesWhatAVerifierCalledIt) {
  const absl::Status status =
      AsIntegrityError(absl::InvalidArgumentError("receipt: short"));
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kIntegrity);
  EXPECT_EQ(CodeName(status), "INTEGRITY");
  EXPECT_EQ(status.message(), "receipt: short");
  EXPECT_TRUE(AsIntegrityError(absl::OkStatus()).ok());
}

TEST(WithNextStep, ReplacesTheGeneralAdviceOnly) {
  const absl::Status status = WithNextStep(
      IntegrityError("weights segment 3: does not authenticate"), "copy it");
  EXPECT_EQ(NextStep(status), "copy it");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kIntegrity);
  EXPECT_EQ(CodeName(status), "INTEGRITY");
  EXPECT_TRUE(WithNextStep(absl::OkStatus(), "copy it").ok());
}

}  // namespace
}  // namespace kms::client
