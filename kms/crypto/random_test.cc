#include "kms/crypto/random.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>
#include <thread>

namespace kms::crypto {
namespace {

TEST(Random, FillsEveryByteAnewEachTime) {
  EXPECT_NE(RandomString(32), RandomString(32));
  EXPECT_EQ(RandomString(0), "");
  EXPECT_NE(RandomString(4096), RandomString(4096));
  EXPECT_FALSE(*RandomSecret(32) == *RandomSecret(32));
  EXPECT_EQ(RandomSecret(Secret::kSizeMax + 1).status().code(),
            absl::StatusCode::kResourceExhausted);
}

// Across many refills of what a thread draws ahead, at sizes that do not
// divide it. A window of 8 bytes seen twice is a reuse, not chance.
TEST(Random, NeverGivesAByteOutTwice) {
  std::set<std::string> seen;
  size_t windows = 0;
  for (size_t size = 8; size <= 72; ++size) {
    for (int i = 0; i < 20; ++i) {
      const std::string drawn = RandomString(size);
      for (size_t at = 0; at + 8 <= size; ++at, ++windows) {
        seen.insert(drawn.substr(at, 8));
      }
    }
  }
  EXPECT_EQ(seen.size(), windows);
}

TEST(Random, GivesEachThreadItsOwn) {
  std::string other;
  std::thread([&other] { other = RandomString(16); }).join();
  EXPECT_NE(other, RandomString(16));
}

TEST(Random, GivesParentAndChildDifferentBytes) {
  RandomString(1);  // Something is drawn ahead when the fork comes.
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string drawn = RandomString(16);
    _exit(write(pipe_ends[1], drawn.data(), drawn.size()) == 16 ? 0 : 1);
  }
  std::string childs(16, '\0');
  ASSERT_EQ(read(pipe_ends[0], childs.data(), childs.size()), 16);
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_EQ(state, 0);
  EXPECT_NE(childs, std::string(16, '\0'));
  EXPECT_NE(childs, RandomString(16));
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

}  // namespace
}  // namespace kms::crypto
