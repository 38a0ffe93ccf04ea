#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/secret.h"
#include "kms/base/secret_access.h"

namespace kms {
namespace {

TEST(Hex, RoundTripsAndRefusesAnythingElse) {
  EXPECT_EQ(Hex(absl::string_view("\x00\xff\x10", 3)), "00ff10");
  EXPECT_EQ(*Unhex("00fF10"), std::string("\x00\xff\x10", 3));
  for (const char* bad : {"0", "0g", " 00", "0x00", "00 "}) {
    EXPECT_EQ(Unhex(bad).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST(ConstantTimeEqual, ComparesContentsAndLength) {
  EXPECT_TRUE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abc")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("abc"), AsBytes("ab")));
}

TEST(ByteReader, ReadsWhatByteWriterWrote) {
  ByteWriter writer;
  writer.U8(1).U16Le(0x0203).U32Be(0x04050607).U64Le(8).Field("xy");
  ByteReader reader(AsBytes(writer.str()));
  EXPECT_EQ(reader.U8(), 1);
  EXPECT_EQ(reader.U16Le(), 0x0203);
  EXPECT_EQ(reader.U32Be(), 0x04050607u);
  EXPECT_EQ(reader.U64Le(), 8u);
  EXPECT_EQ(reader.U32Be(), 2u);
  EXPECT_EQ(AsStringView(reader.Bytes(2)), "xy");
  EXPECT_TRUE(reader.Finish("test").ok());
}

TEST(ByteReader, StaysFailedAfterAShortRead) {
  ByteReader reader(AsBytes("abc"));
  EXPECT_EQ(reader.U32Le(), 0u);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.U8(), 0);
  EXPECT_EQ(reader.Finish("test").code(), absl::StatusCode::kInvalidArgument);
}

TEST(ByteReader, RefusesLeftoversAndReservedBits) {
  ByteReader leftover(AsBytes("ab"));
  leftover.U8();
  EXPECT_EQ(leftover.Finish("test").message(), "test: 1 bytes left over");
  ByteReader reserved(AsBytes("a"));
  reserved.Zeros(1);
  EXPECT_TRUE(reserved.failed());
}

TEST(Secret, MovesAndNeverLeavesItsBytesBehind) {
  Secret a = *Secret::CopyOf(AsBytes("marked-secret"), GrantSecretAccess());
  const uint8_t* const where = a.Expose(GrantSecretAccess()).data();
  Secret b = std::move(a);
  EXPECT_TRUE(a.empty());  // NOLINT: moved-from is empty by contract.
  EXPECT_EQ(AsStringView(b.Expose(GrantSecretAccess())), "marked-secret");
  b = Secret();
  EXPECT_TRUE(std::all_of(where, where + 13, [](uint8_t c) { return !c; }));
}

TEST(Secret, IsZeroInAForkedChild) {
  const Secret a = *Secret::CopyOf(AsBytes("marked"), GrantSecretAccess());
  const pid_t child = fork();
  if (child == 0) _exit(AllZero(a.Expose(GrantSecretAccess())) ? 0 : 1);
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_EQ(WEXITSTATUS(state), 0);
}

TEST(Secret, RefusesMoreThanItsLimit) {
  EXPECT_EQ(Secret::Allocate(Secret::kSizeMax + 1).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Secret::Allocate(Secret::kSizeMax).ok());
}

TEST(Refusal, CarriesItsCodeThroughAnnotation) {
  const absl::Status status =
      Annotate(Refuse(v1::TCB_MISMATCH, "microcode 3, want 4"), "vcek");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(RefusalOf(status), v1::TCB_MISMATCH);
  EXPECT_EQ(status.message(), "vcek: microcode 3, want 4");
  EXPECT_EQ(RefusalOf(absl::OkStatus()), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(RefusalOf(absl::DataLossError("x")), v1::DATA_LOSS);
}

}  // namespace
}  // namespace kms
