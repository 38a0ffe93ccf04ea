#include "kms/weights/transfer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/weights/limits.h"
#include "kms/weights/segment_workers.h"
#include "kms/weights/testing.h"

namespace kms::weights {
namespace {

using absl::StatusCode;

constexpr size_t kSegments = 6;
constexpr size_t kSize = kSegments * kTestSegment - 100;

std::string PartialOf(const std::string& path) { return path + ".kms-partial"; }

mode_t ModeOf(const std::string& path) {
  struct stat facts = {};
  EXPECT_EQ(stat(path.c_str(), &facts), 0) << path;
  return facts.st_mode & 07777;
}

size_t SegmentOffset(size_t index) {
  return 2 * kBlockSize + index * kTestSegment;  // Of a table of one block.
}

absl::StatusOr<Transferred> DecryptTestFile(
    const std::string& input, const std::string& output,
    const TransferOptions& options = {},
    const Expectation& expected = TestExpectation()) {
  auto reader = OpenTestFile(input, expected);
  if (!reader.ok()) return reader.status();
  return Decrypt(*reader, output, options);
}

void FlipByte(const std::string& path, size_t offset) {
  std::string bytes = ReadWhole(path);
  bytes[offset] ^= 1;
  const int fd = open(path.c_str(), O_WRONLY);
  EXPECT_EQ(pwrite(fd, &bytes[offset], 1, static_cast<off_t>(offset)), 1);
  close(fd);
}

// Runs `body` in a process of its own, which kills itself (-9) when the hook
// that `body` passes on as its progress has been called `segments` times. Keys
// have to be made in there: a forked child finds locked memory wiped.
template <typename Body>
void RunAndKillAfter(int segments, Body body) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> left = segments;
    body([&left](uint64_t) {
      if (--left == 0) raise(SIGKILL);
    });
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

using Progress = std::function<void(uint64_t)>;

void EncryptAndKill(const std::string& input, const std::string& output,
                    int segments) {
  RunAndKillAfter(segments, [&](Progress progress) {
    EncryptOptions options;
    options.segment_log2 = kTestSegmentLog2;
    options.threads = 1;  // For exact counts.
    options.progress = std::move(progress);
    (void)Encrypt(input, output, TestKey(), TestKeyName(), options);
  });
  EXPECT_FALSE(Exists(output));
  EXPECT_TRUE(Exists(PartialOf(output)));
}

void DecryptAndKill(const std::string& input, const std::string& output,
                    int segments) {
  RunAndKillAfter(segments, [&](Progress progress) {
    TransferOptions options;
    options.threads = 1;
    options.progress = std::move(progress);
    (void)DecryptTestFile(input, output, options);
  });
  EXPECT_FALSE(Exists(output));
  EXPECT_EQ(ModeOf(PartialOf(output)), 0600u);
}

// ---------------------------------------------------------------------------
// Round trips

class SizeTest : public testing::TestWithParam<size_t> {};

TEST_P(SizeTest, ComesBackAsItWas) {
  const std::string contents = TestContents(GetParam());
  const std::string encrypted = EncryptedTestFile(contents);
  const auto reader = OpenTestFile(encrypted);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->header().size, GetParam());
  EXPECT_TRUE(Verify(*reader, {}).ok());
  const std::string output = FreshPath("weights.bin");
  const auto done = Decrypt(*reader, output, {});
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(ReadWhole(output), contents);
  EXPECT_EQ(done->artifact_digest, reader->artifact_digest());
  EXPECT_EQ(done->segments_kept, 0u);
  EXPECT_EQ(ModeOf(output), 0600u);
  EXPECT_FALSE(Exists(PartialOf(output)));
  EXPECT_FALSE(Exists(PartialOf(encrypted)));
}

INSTANTIATE_TEST_SUITE_P(Sizes, SizeTest,
                         testing::Values(0, 1, kTestSegment - 1, kTestSegment,
                                         kTestSegment + 1, kSize,
                                         65 * kTestSegment + 1));

TEST(TransferTest, AnyNumberOfThreadsDoesIt) {
  const std::string input = FreshPath("weights.bin");
  const std::string contents = TestContents(kSize);
  WriteWhole(input, contents);
  for (const unsigned threads : {1u, 2u, 7u, 10000u}) {
    EncryptOptions options;
    options.segment_log2 = kTestSegmentLog2;
    options.threads = threads;
    const std::string encrypted = FreshPath("weights.kms");
    ASSERT_TRUE(
        Encrypt(input, encrypted, TestKey(), TestKeyName(), options).ok());
    const std::string output = FreshPath("weights.bin");
    ASSERT_TRUE(DecryptTestFile(encrypted, output, options).ok());
    EXPECT_EQ(ReadWhole(output), contents);
  }
}

TEST(TransferTest, ProgressAddsUpToTheSize) {
  const std::string encrypted = EncryptedTestFile(TestContents(kSize));
  std::atomic<uint64_t> sum = 0;
  TransferOptions options;
  options.progress = [&sum](uint64_t bytes) { sum += bytes; };
  ASSERT_TRUE(
      DecryptTestFile(encrypted, FreshPath("weights.bin"), options).ok());
  EXPECT_EQ(sum, kSize);
}

TEST(TransferTest, EqualFilesEncryptToUnequalOnes) {
  const std::string contents = TestContents(1000);
  const std::string a = ReadWhole(EncryptedTestFile(contents));
  const std::string b = ReadWhole(EncryptedTestFile(contents));
  EXPECT_NE(a.substr(SegmentOffset(0)), b.substr(SegmentOffset(0)));
}

TEST(TransferTest, OptionsOutOfBoundsAreRefused) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, "weights");
  EncryptOptions options;
  options.segment_log2 = kSegmentLog2Min - 1;
  EXPECT_EQ(
      Encrypt(input, output, TestKey(), TestKeyName(), options).status().code(),
      StatusCode::kInvalidArgument);
  KeyName key = TestKeyName();
  key.version = 0;
  EXPECT_EQ(Encrypt(input, output, TestKey(), key, {}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(
      Encrypt(input, output, Secret::Allocate(16).value(), TestKeyName(), {})
          .status()
          .code(),
      StatusCode::kInvalidArgument);
  EXPECT_FALSE(Exists(output));
}

TEST(TransferTest, OnlyRegularFilesAreRead) {
  const std::string output = FreshPath("weights.kms");
  EXPECT_EQ(EncryptTestFile(testing::TempDir(), output).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(EncryptTestFile("/dev/zero", output).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(EncryptTestFile("/nowhere", output).status().code(),
            StatusCode::kNotFound);
}

TEST(TransferTest, AnInputThatGrowsMeanwhileIsRefused) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, TestContents(kSize));
  EncryptOptions options;
  options.progress = [&input](uint64_t) {
    const int fd = open(input.c_str(), O_WRONLY | O_APPEND);
    EXPECT_EQ(write(fd, "x", 1), 1);
    close(fd);
  };
  EXPECT_EQ(
      Encrypt(input, output, TestKey(), TestKeyName(), options).status().code(),
      StatusCode::kAborted);
  EXPECT_FALSE(Exists(output));
}

TEST(TransferTest, AnInputThatShrinksMeanwhileIsRefused) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, TestContents(kSize));
  EncryptOptions options;
  options.segment_log2 = kTestSegmentLog2;
  options.threads = 1;
  options.progress = [&input](uint64_t) {
    EXPECT_EQ(truncate(input.c_str(), 10), 0);
  };
  EXPECT_EQ(
      Encrypt(input, output, TestKey(), TestKeyName(), options).status().code(),
      StatusCode::kAborted);
  EXPECT_FALSE(Exists(output));
}

// ---------------------------------------------------------------------------
// Damage

TEST(TransferTest, ADamagedFileLeavesNoPlaintext) {
  const std::string encrypted = EncryptedTestFile(TestContents(kSize));
  FlipByte(encrypted, SegmentOffset(3));
  const std::string output = FreshPath("weights.bin");
  const auto done = DecryptTestFile(encrypted, output);
  EXPECT_EQ(done.status().code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(done.status().message(),
            "weights segment 3: does not authenticate");
  EXPECT_FALSE(Exists(output));
  EXPECT_FALSE(Exists(PartialOf(output)));
}

TEST(TransferTest, VerifyFindsDamageWithAndWithoutTheKey) {
  const std::string encrypted = EncryptedTestFile(TestContents(kSize));
  const auto reader = OpenTestFile(encrypted);
  const auto file = UnverifiedFile::Open(encrypted);
  ASSERT_TRUE(reader.ok() && file.ok());
  EXPECT_TRUE(Verify(*reader, {}).ok());
  EXPECT_TRUE(VerifyDigests(*file, {}).ok());
  FlipByte(encrypted, SegmentOffset(kSegments - 1));
  EXPECT_EQ(Verify(*reader, {}).code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(VerifyDigests(*file, {}).code(), StatusCode::kUnauthenticated);
}

// A digest that the ciphertext does not have, under a header that the key
// authenticates: decryption without an expected artifact does not look at it.
TEST(TransferTest, VerifyComparesDigestsEvenWithoutAnExpectedArtifact) {
  const std::string encrypted = EncryptedTestFile(TestContents(kSize));
  const auto honest = OpenTestFile(encrypted);
  ASSERT_TRUE(honest.ok());
  Table table = honest->table();
  Entry entry = table.Get(1);
  entry.digest[0] ^= 1;
  table.Set(1, entry);
  Header header = honest->header();
  const std::string digest = table.Digest();
  std::copy(digest.begin(), digest.end(), header.table_digest.begin());
  const std::string tag = honest->keys().HeaderTag(header).value();
  std::copy(tag.begin(), tag.end(), header.tag.begin());
  std::string bytes = ReadWhole(encrypted);
  bytes.replace(0, kBlockSize, EncodeHeaderBlock(header));
  bytes.replace(kBlockSize, table.bytes().size(), table.bytes());
  WriteWhole(encrypted, bytes);
  const auto reader = OpenTestFile(encrypted);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(Verify(*reader, {}).code(), StatusCode::kUnauthenticated);
  EXPECT_TRUE(Decrypt(*reader, FreshPath("weights.bin"), {}).ok());
}

TEST(WorkersTest, TheLowestFailureIsReported) {
  for (int round = 0; round < 20; ++round) {
    const absl::Status status =
        ForEachSegment(100, 64, 8, [](uint64_t index, SegmentBuffers&) {
          return index % 10 == 3
                     ? absl::InternalError(absl::StrCat("failure ", index))
                     : absl::OkStatus();
        });
    EXPECT_EQ(status.message(), "failure 3");
  }
}

// ---------------------------------------------------------------------------
// Outputs

TEST(TransferTest, NeverOverwritesUnlessTold) {
  const std::string contents = TestContents(1000);
  const std::string input = FreshPath("weights.bin");
  WriteWhole(input, contents);
  const std::string output = FreshPath("precious");
  WriteWhole(output, "precious");
  EXPECT_EQ(EncryptTestFile(input, output).status().code(),
            StatusCode::kAlreadyExists);
  const std::string encrypted = EncryptedTestFile(contents);
  EXPECT_EQ(DecryptTestFile(encrypted, output).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadWhole(output), "precious");
  EXPECT_FALSE(Exists(PartialOf(output)));
  TransferOptions options;
  options.overwrite = true;
  EXPECT_TRUE(DecryptTestFile(encrypted, output, options).ok());
  EXPECT_EQ(ReadWhole(output), contents);
}

TEST(TransferTest, AFileMadeMeanwhileIsNotReplaced) {
  const std::string encrypted = EncryptedTestFile(TestContents(1000));
  const std::string output = FreshPath("weights.bin");
  TransferOptions options;
  options.progress = [&output](uint64_t) { WriteWhole(output, "precious"); };
  EXPECT_EQ(DecryptTestFile(encrypted, output, options).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadWhole(output), "precious");
}

TEST(TransferTest, OnlyRegularFilesAreReplaced) {
  const std::string encrypted = EncryptedTestFile(TestContents(1000));
  TransferOptions options;
  options.overwrite = true;
  EXPECT_EQ(DecryptTestFile(encrypted, "/dev/null", options).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(DecryptTestFile(encrypted, testing::TempDir() + "/", options)
                .status()
                .code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(
      DecryptTestFile(encrypted, "/nowhere/weights", options).status().code(),
      StatusCode::kNotFound);
}

TEST(TransferTest, PlaintextIsNotWrittenThroughALinkOrASecondName) {
  const std::string encrypted = EncryptedTestFile(TestContents(1000));
  const std::string target = FreshPath("target");
  WriteWhole(target, "precious");
  const std::string output = FreshPath("weights.bin");
  std::filesystem::create_symlink(target, PartialOf(output));
  EXPECT_EQ(DecryptTestFile(encrypted, output).status().code(),
            StatusCode::kInvalidArgument);
  std::filesystem::remove(PartialOf(output));
  std::filesystem::create_hard_link(target, PartialOf(output));
  EXPECT_EQ(DecryptTestFile(encrypted, output).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(ReadWhole(target), "precious");
  EXPECT_FALSE(Exists(output));
}

TEST(TransferTest, TwoWritersDoNotMix) {
  const std::string encrypted = EncryptedTestFile(TestContents(1000));
  const std::string output = FreshPath("weights.bin");
  const int other = open(PartialOf(output).c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(flock(other, LOCK_EX), 0);
  EXPECT_EQ(DecryptTestFile(encrypted, output).status().code(),
            StatusCode::kUnavailable);
  close(other);
  EXPECT_TRUE(DecryptTestFile(encrypted, output).ok());
}

TEST(TransferTest, AnImpossibleSizeIsRefusedBeforeAnythingIsWritten) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, "");
  const uintmax_t free =
      std::filesystem::space(std::filesystem::path(input).parent_path())
          .available;
  // A file that this disk cannot hold would be over the format's own bound, and
  // refused for that: nothing of the disk would be tested.
  if (free > kPlaintextSizeMax / 2) GTEST_SKIP() << "a very large disk";
  ASSERT_EQ(truncate(input.c_str(), static_cast<off_t>(free + (1 << 30))), 0);
  const auto done = Encrypt(input, output, TestKey(), TestKeyName(), {});
  EXPECT_EQ(done.status().code(), StatusCode::kResourceExhausted);
  EXPECT_FALSE(Exists(output));
  EXPECT_FALSE(Exists(PartialOf(output)));
}

TEST(TransferTest, BeforeItsNameTheFileIsWhole) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, TestContents(kSize));
  std::string seen;
  EncryptOptions options;
  options.segment_log2 = kTestSegmentLog2;
  options.before_commit = [&](const Transferred& done) {
    EXPECT_FALSE(Exists(output));
    const auto file = UnverifiedFile::Open(PartialOf(output));
    EXPECT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->artifact_digest(), done.artifact_digest);
    EXPECT_TRUE(VerifyDigests(*file, {}).ok());
    seen = done.artifact_digest;
    return absl::OkStatus();
  };
  const auto done = Encrypt(input, output, TestKey(), TestKeyName(), options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(seen, done->artifact_digest);
  EXPECT_TRUE(Exists(output));
}

TEST(TransferTest, AFileThatIsHeldBackNeverGetsItsName) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, TestContents(kSize));
  EncryptOptions options;
  options.segment_log2 = kTestSegmentLog2;
  options.before_commit = [](const Transferred&) {
    return absl::DataLossError("held back");
  };
  for (const bool one_time_key : {false, true}) {
    options.one_time_key = one_time_key;
    const auto done = Encrypt(input, output, TestKey(), TestKeyName(), options);
    EXPECT_EQ(done.status(), absl::DataLossError("held back"));
    EXPECT_FALSE(Exists(output));
    // What nobody can go on from is not left to fill the disk.
    EXPECT_EQ(Exists(PartialOf(output)), !one_time_key);
  }
}

// ---------------------------------------------------------------------------
// Killed, and run again

TEST(ResumeTest, EncryptionGoesOn) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  const std::string contents = TestContents(kSize);
  WriteWhole(input, contents);
  EncryptAndKill(input, output, 3);
  const std::string partial = ReadWhole(PartialOf(output));
  EXPECT_EQ(UnverifiedFile::Open(PartialOf(output)).status().code(),
            StatusCode::kUnauthenticated);
  const auto done = EncryptTestFile(input, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 3u);
  EXPECT_FALSE(Exists(PartialOf(output)));
  EXPECT_EQ(done->header.salt,
            ParseHeaderBlock(AsBytes(partial).first(kBlockSize))->salt);
  const std::string back = FreshPath("weights.bin");
  ASSERT_TRUE(DecryptTestFile(output, back).ok());
  EXPECT_EQ(ReadWhole(back), contents);
}

TEST(ResumeTest, DecryptionGoesOn) {
  const std::string contents = TestContents(kSize);
  const std::string encrypted = EncryptedTestFile(contents);
  const std::string output = FreshPath("weights.bin");
  DecryptAndKill(encrypted, output, 3);
  const auto done = DecryptTestFile(encrypted, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 3u);
  EXPECT_EQ(ReadWhole(output), contents);
  EXPECT_FALSE(Exists(PartialOf(output)));
}

TEST(ResumeTest, KilledAgainAndAgainItEnds) {
  const std::string input = FreshPath("weights.bin");
  const std::string encrypted = FreshPath("weights.kms");
  const std::string output = FreshPath("weights.out");
  const std::string contents = TestContents(kSize);
  WriteWhole(input, contents);
  for (int segments = 1; segments <= 6; ++segments) {
    EncryptAndKill(input, encrypted, segments);
  }
  ASSERT_TRUE(EncryptTestFile(input, encrypted).ok());
  for (int segments = 1; segments <= 6; ++segments) {
    DecryptAndKill(encrypted, output, segments);
  }
  ASSERT_TRUE(DecryptTestFile(encrypted, output).ok());
  EXPECT_EQ(ReadWhole(output), contents);
}

TEST(ResumeTest, EncryptionKeepsNothingThatWasDamaged) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  const std::string contents = TestContents(kSize);
  WriteWhole(input, contents);
  EncryptAndKill(input, output, kSegments);  // All of them, but no header.
  FlipByte(PartialOf(output), SegmentOffset(1));
  FlipByte(PartialOf(output), kBlockSize + 2 * kEntrySize);       // A digest.
  FlipByte(PartialOf(output), kBlockSize + 3 * kEntrySize + 32);  // A tag.
  FlipByte(PartialOf(output), kBlockSize + 4 * kEntrySize + 48);  // A nonce.
  const auto done = EncryptTestFile(input, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, kSegments - 4);
  const auto reader = OpenTestFile(output);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(Verify(*reader, {}).ok());
  // What was encrypted anew has a nonce of its own.
  EXPECT_EQ(reader->table().Get(0).nonce_prefix,
            reader->table().Get(5).nonce_prefix);
  EXPECT_EQ(reader->table().Get(1).nonce_prefix,
            reader->table().Get(2).nonce_prefix);
  EXPECT_NE(reader->table().Get(0).nonce_prefix,
            reader->table().Get(1).nonce_prefix);
}

TEST(ResumeTest, AChangedInputIsEncryptedAsItIsNow) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  std::string contents = TestContents(kSize);
  WriteWhole(input, contents);
  EncryptAndKill(input, output, kSegments);
  contents[kTestSegment + 7] ^= 1;
  WriteWhole(input, contents);
  const auto done = EncryptTestFile(input, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, kSegments - 1);
  const auto reader = OpenTestFile(output);
  ASSERT_TRUE(reader.ok());
  EXPECT_NE(reader->table().Get(0).nonce_prefix,
            reader->table().Get(1).nonce_prefix);
  const std::string back = FreshPath("weights.bin");
  ASSERT_TRUE(Decrypt(*reader, back, {}).ok());
  EXPECT_EQ(ReadWhole(back), contents);
}

TEST(ResumeTest, EncryptionUnderAnotherKeyOrSizeBeginsAnew) {
  const std::string input = FreshPath("weights.bin");
  const std::string output = FreshPath("weights.kms");
  WriteWhole(input, TestContents(kSize));
  EncryptOptions options;
  options.segment_log2 = kTestSegmentLog2;
  options.overwrite = true;
  KeyName other = TestKeyName();
  ++other.version;
  EncryptAndKill(input, output, kSegments);
  auto done = Encrypt(input, output, TestKey(), other, options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 0u);
  std::filesystem::remove(output);
  EncryptAndKill(input, output, kSegments);
  done = Encrypt(input, output, TestKey(1), TestKeyName(), options);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 0u);
  std::filesystem::remove(output);
  EncryptAndKill(input, output, kSegments);
  WriteWhole(input, TestContents(kSize - 1));
  done = EncryptTestFile(input, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 0u);
}

TEST(ResumeTest, DecryptionKeepsNothingThatWasDamaged) {
  const std::string contents = TestContents(kSize);
  const std::string encrypted = EncryptedTestFile(contents);
  const std::string output = FreshPath("weights.bin");
  DecryptAndKill(encrypted, output, kSegments);
  FlipByte(PartialOf(output), 0);
  FlipByte(PartialOf(output), kSize - 1);
  const auto done = DecryptTestFile(encrypted, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, kSegments - 2);
  EXPECT_EQ(ReadWhole(output), contents);
}

TEST(ResumeTest, DecryptionIntoALongerOrForeignPartialFileIsExact) {
  const std::string contents = TestContents(kSize);
  const std::string encrypted = EncryptedTestFile(contents);
  const std::string output = FreshPath("weights.bin");
  WriteWhole(PartialOf(output), TestContents(2 * kSize, /*seed=*/9));
  const auto done = DecryptTestFile(encrypted, output);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->segments_kept, 0u);
  EXPECT_EQ(ReadWhole(output), contents);
  EXPECT_EQ(ModeOf(output), 0600u);
}

}  // namespace
}  // namespace kms::weights
