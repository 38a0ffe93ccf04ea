#include "kms/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace kms {
namespace {

std::string TestPath(const std::string& name) {
  return ::testing::TempDir() + name;
}

TEST(WriteFile, ReplacesAtOnceAndLeavesNothingBeside) {
  const std::string folder = TestPath("replace");
  std::filesystem::create_directory(folder);
  const std::string path = folder + "/file";
  ASSERT_TRUE(WriteFile(path, AsBytes("old")).ok());
  ASSERT_TRUE(WriteFile(path, AsBytes(std::string(100000, 'x'))).ok());
  EXPECT_EQ(*ReadFile(path, 100000), std::string(100000, 'x'));
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    EXPECT_EQ(entry.path(), path);
    ++files;
  }
  EXPECT_EQ(files, 1u);
}

TEST(WriteFile, NamesAFolderThatIsNotThere) {
  EXPECT_EQ(WriteFile(TestPath("no/such/file"), AsBytes("x")).code(),
            absl::StatusCode::kNotFound);
}

TEST(ReadFile, HoldsItsBoundExactly) {
  const std::string path = TestPath("bound");
  ASSERT_TRUE(WriteFile(path, AsBytes("12345")).ok());
  EXPECT_EQ(*ReadFile(path, 5), "12345");
  EXPECT_EQ(ReadFile(path, 4).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(ReadFile, RefusesADirectoryAndAMissingFile) {
  EXPECT_EQ(ReadFile(::testing::TempDir(), 5).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadFile(TestPath("missing"), 5).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(Fd, ClosesOnceAndOnlyWhatItOwns) {
  const int raw = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(raw, 0);
  {
    Fd first(raw);
    Fd second = std::move(first);
    EXPECT_FALSE(first.valid());  // NOLINT: empty by contract.
    EXPECT_EQ(second.get(), raw);
    EXPECT_NE(fcntl(raw, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

}  // namespace
}  // namespace kms
