#include "kms/seal/private_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "kms/base/secret_access.h"

namespace kms::seal {
namespace {

class PrivateFileTest : public testing::Test {
 protected:
  PrivateFileTest() {
    std::string name = testing::TempDir() + "/private_file.XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }
  void Put(const std::string& path, const std::string& bytes, mode_t mode) {
    std::ofstream(path, std::ios::binary) << bytes;
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }

  std::string directory_;
};

TEST_F(PrivateFileTest, ReadsBackWhatWasWrittenWithMode0600) {
  ASSERT_TRUE(WritePrivateFile(Path("f"), AsBytes("first")).ok());
  ASSERT_TRUE(WritePrivateFile(Path("f"), AsBytes("second")).ok());
  const auto bytes = ReadPrivateFile(Path("f"), 6);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_EQ(*bytes, "second");
  struct stat info;
  ASSERT_EQ(stat(Path("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_NE(access(Path("f.new").c_str(), F_OK), 0);
}

TEST_F(PrivateFileTest, ReadsASecretFile) {
  Put(Path("f"), "marked key", 0600);
  const auto secret = ReadSecretFile(Path("f"), 10);
  ASSERT_TRUE(secret.ok()) << secret.status();
  EXPECT_EQ(AsStringView(secret->Expose(GrantSecretAccess())), "marked key");
}

TEST_F(PrivateFileTest, ReplacesWhatACrashLeftBehind) {
  Put(Path("f.new"), "half", 0644);
  ASSERT_TRUE(WritePrivateFile(Path("f"), AsBytes("whole")).ok());
  EXPECT_EQ(ReadPrivateFile(Path("f"), 10).value(), "whole");
}

TEST_F(PrivateFileTest, MissingIsNotFound) {
  EXPECT_EQ(ReadPrivateFile(Path("f"), 10).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(PrivateFileTest, RefusesRightsOfOthers) {
  for (const mode_t mode : {0640, 0604, 0620, 0601}) {
    Put(Path("f"), "x", mode);
    EXPECT_EQ(ReadPrivateFile(Path("f"), 10).status().code(),
              absl::StatusCode::kFailedPrecondition)
        << mode;
    EXPECT_EQ(ReadSecretFile(Path("f"), 10).status().code(),
              absl::StatusCode::kFailedPrecondition)
        << mode;
  }
}

TEST_F(PrivateFileTest, RefusesSymbolicLinksFifosAndDirectories) {
  Put(Path("f"), "x", 0600);
  ASSERT_EQ(symlink(Path("f").c_str(), Path("link").c_str()), 0);
  EXPECT_EQ(ReadPrivateFile(Path("link"), 10).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadPrivateFile(Path("fifo"), 10).status().code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(mkdir(Path("dir").c_str(), 0700), 0);
  EXPECT_EQ(ReadPrivateFile(Path("dir"), 1 << 20).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(PrivateFileTest, RefusesMoreThanTheBound) {
  Put(Path("f"), "12345", 0600);
  EXPECT_EQ(ReadPrivateFile(Path("f"), 4).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(PrivateFileTest, AFailedWriteLeavesTheOldFile) {
  ASSERT_TRUE(WritePrivateFile(Path("f"), AsBytes("old")).ok());
  // The temporary name is a directory that is not empty: it cannot be replaced.
  ASSERT_EQ(mkdir(Path("f.new").c_str(), 0700), 0);
  Put(Path("f.new/x"), "x", 0600);
  EXPECT_EQ(WritePrivateFile(Path("f"), AsBytes("new")).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReadPrivateFile(Path("f"), 10).value(), "old");
}

}  // namespace
}  // namespace kms::seal
