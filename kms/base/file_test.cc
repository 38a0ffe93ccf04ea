#include "kms/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace {

// What was synced, in order.
std::vector<std::string>& Synced() {
  static auto& synced = *new std::vector<std::string>();
  return synced;
}

}  // namespace

// In front of the C library's.
extern "C" int fsync(int fd) {
  Synced().push_back(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd))
          .string());
  return static_cast<int>(syscall(SYS_fsync, fd));
}

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

TEST(WriteFile, TheNameIsOnTheDiskTooWhenItReturns) {
  const std::string path = TestPath("durable");
  Synced().clear();
  ASSERT_TRUE(WriteFile(path, AsBytes("x")).ok());
  ASSERT_EQ(Synced().size(), 2u);
  EXPECT_EQ(Synced()[0].find(path + "."), 0u);  // Not yet under its name.
  EXPECT_EQ(Synced()[1], std::filesystem::canonical(TestPath("")).string());
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
