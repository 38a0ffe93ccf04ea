#include "kms/weights/reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "kms/base/byte_writer.h"
#include "kms/base/bytes.h"
#include "kms/crypto/digest.h"
#include "kms/weights/file_keys.h"
#include "kms/weights/testing.h"

namespace kms::weights {
namespace {

using absl::StatusCode;

// The size that testdata/format_1.kms has inside, and two segments.
constexpr size_t kSize = 66536;
constexpr size_t kDataOffset = 8192;

absl::Span<uint8_t> Bytes(std::string& s) {
  return {reinterpret_cast<uint8_t*>(s.data()), s.size()};
}

// What opening `path` and then reading all of it comes to.
absl::Status OpenAndRead(const std::string& path,
                         const Expectation& expected = TestExpectation(),
                         std::string* contents = nullptr) {
  const auto reader = OpenTestFile(path, expected);
  if (!reader.ok()) return reader.status();
  std::string all(static_cast<size_t>(reader->header().size), '\xff');
  absl::Status status = reader->ReadAt(0, Bytes(all));
  EXPECT_TRUE(status.ok() || AllZero(AsBytes(all)));
  if (contents != nullptr) *contents = std::move(all);
  return status;
}

StatusCode OpenAndReadCode(const std::string& path) {
  return OpenAndRead(path).code();
}

// `path` with `change` made to a copy of its bytes.
std::string Changed(const std::string& path,
                    const std::function<void(std::string&)>& change) {
  std::string bytes = ReadWhole(path);
  change(bytes);
  const std::string copy = FreshPath("changed.kms");
  WriteWhole(copy, bytes);
  return copy;
}

// ---------------------------------------------------------------------------
// The format

// Written by an implementation of format.h and file_keys.h that shares no code
// with this one (Python's hashlib, hmac and cryptography).
TEST(ReaderTest, ReadsAFileOfFormat1) {
  const std::string path = "kms/weights/testdata/format_1.kms";
  std::string contents;
  const absl::Status status = OpenAndRead(path, TestExpectation(), &contents);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(contents, TestContents(kSize));
  const auto file = UnverifiedFile::Open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Hex(file->artifact_digest()),
            "f78677bda4c7893cb0721b3514f663fb3624102369dee7343e52af3de4fd6445");
  EXPECT_EQ(file->header().key, TestKeyName());
  EXPECT_EQ(file->layout().segments(), 2u);
}

TEST(ReaderTest, ArtifactDigestIsTheSha256OfTheHeader) {
  const std::string path = EncryptedTestFile(TestContents(kSize));
  const auto file = UnverifiedFile::Open(path);
  ASSERT_TRUE(file.ok());
  const std::string header =
      ReadWhole(path).substr(0, EncodeHeader(file->header()).size());
  EXPECT_EQ(file->artifact_digest(), crypto::Sha256(AsBytes(header)));
}

// ---------------------------------------------------------------------------
// What an attacker does to the file

TEST(ReaderTest, EveryFlippedByteOfHeaderTableAndPaddingIsFound) {
  const std::string path = EncryptedTestFile(TestContents(kSize));
  const std::string bytes = ReadWhole(path);
  const int fd = open(path.c_str(), O_WRONLY);
  for (size_t i = 0; i < kDataOffset; ++i) {
    const char flipped = static_cast<char>(bytes[i] ^ (1 << i % 8));
    ASSERT_EQ(pwrite(fd, &flipped, 1, static_cast<off_t>(i)), 1);
    const StatusCode code = OpenTestFile(path).status().code();
    ASSERT_TRUE(code == StatusCode::kInvalidArgument ||
                code == StatusCode::kUnauthenticated ||
                code == StatusCode::kFailedPrecondition)
        << i << " " << code;
    ASSERT_EQ(pwrite(fd, &bytes[i], 1, static_cast<off_t>(i)), 1);
  }
  close(fd);
  EXPECT_TRUE(OpenAndRead(path).ok());
}

TEST(ReaderTest, EveryFlippedByteOfCiphertextIsFound) {
  const std::string path = EncryptedTestFile(TestContents(kTestSegment + 40));
  const std::string bytes = ReadWhole(path);
  const auto reader = OpenTestFile(path);
  ASSERT_TRUE(reader.ok());
  const int fd = open(path.c_str(), O_WRONLY);
  std::string segment;
  // Each byte of the short segment, and one in each cipher block of the other.
  for (size_t i = kDataOffset; i < bytes.size();
       i += i < kDataOffset + kTestSegment - 1 ? 61 : 1) {
    const char flipped = static_cast<char>(bytes[i] ^ (1 << i % 8));
    ASSERT_EQ(pwrite(fd, &flipped, 1, static_cast<off_t>(i)), 1);
    const uint64_t index = (i - kDataOffset) / kTestSegment;
    segment.assign(reader->layout().SizeOf(index), '\xff');
    ASSERT_EQ(reader->ReadSegment(index, Bytes(segment)).code(),
              StatusCode::kUnauthenticated)
        << i;
    ASSERT_TRUE(AllZero(AsBytes(segment)));
    ASSERT_EQ(pwrite(fd, &bytes[i], 1, static_cast<off_t>(i)), 1);
  }
  close(fd);
  EXPECT_TRUE(OpenAndRead(path).ok());
}

TEST(ReaderTest, TruncationAndExtensionAreFound) {
  const std::string path = EncryptedTestFile(TestContents(kSize));
  const size_t size = ReadWhole(path).size();
  for (const size_t cut : {size_t{1}, size_t{1000}, size_t{1001},
                           kSize - kTestSegment, kSize, kSize + 1}) {
    EXPECT_EQ(OpenAndReadCode(
                  Changed(path, [&](std::string& s) { s.resize(size - cut); })),
              StatusCode::kUnauthenticated)
        << cut;
  }
  for (const size_t left : {size_t{0}, size_t{7}, size_t{8}, size_t{4095}}) {
    EXPECT_EQ(
        OpenAndReadCode(Changed(path, [&](std::string& s) { s.resize(left); })),
        StatusCode::kInvalidArgument)
        << left;
  }
  EXPECT_EQ(
      OpenAndReadCode(Changed(path, [](std::string& s) { s.push_back(0); })),
      StatusCode::kUnauthenticated);
}

// Cuts the last segment off and repairs all that needs no key.
TEST(ReaderTest, TruncationAtASegmentWithARepairedHeaderIsFound) {
  const std::string path = EncryptedTestFile(TestContents(2 * kTestSegment));
  const auto file = UnverifiedFile::Open(path);
  ASSERT_TRUE(file.ok());
  Header header = file->header();
  header.size = kTestSegment;
  const std::string entry = file->table().bytes().substr(0, kEntrySize);
  const std::string digest = crypto::Sha256(AsBytes(entry));
  std::copy(digest.begin(), digest.end(), header.table_digest.begin());
  const std::string forged = Changed(path, [&](std::string& s) {
    s.resize(kDataOffset + kTestSegment);
    s.replace(0, kBlockSize, EncodeHeaderBlock(header));
    s.replace(kBlockSize, 2 * kEntrySize, entry + std::string(kEntrySize, 0));
  });
  ASSERT_TRUE(UnverifiedFile::Open(forged).ok());
  EXPECT_EQ(OpenAndReadCode(forged), StatusCode::kUnauthenticated);
}

TEST(ReaderTest, SwappedAndRepeatedSegmentsAreFound) {
  const std::string path = EncryptedTestFile(TestContents(3 * kTestSegment));
  const auto segment = [](size_t i) { return kDataOffset + i * kTestSegment; };
  const std::string swapped = Changed(path, [&](std::string& s) {
    const std::string first = s.substr(segment(0), kTestSegment);
    s.replace(segment(0), kTestSegment, s.substr(segment(1), kTestSegment));
    s.replace(segment(1), kTestSegment, first);
  });
  EXPECT_EQ(OpenAndReadCode(swapped), StatusCode::kUnauthenticated);
  const std::string repeated = Changed(path, [&](std::string& s) {
    s.replace(segment(1), kTestSegment, s.substr(segment(0), kTestSegment));
  });
  EXPECT_EQ(OpenAndReadCode(repeated), StatusCode::kUnauthenticated);
}

// Segments and entries together, so that each entry is right for its bytes.
TEST(ReaderTest, SegmentsMovedWithTheirEntriesAreFound) {
  const std::string path = EncryptedTestFile(TestContents(3 * kTestSegment));
  const auto move = [](std::string& s, size_t from, size_t to) {
    s.replace(kBlockSize + to * kEntrySize, kEntrySize,
              s.substr(kBlockSize + from * kEntrySize, kEntrySize));
    s.replace(kDataOffset + to * kTestSegment, kTestSegment,
              s.substr(kDataOffset + from * kTestSegment, kTestSegment));
  };
  const std::string moved =
      Changed(path, [&](std::string& s) { move(s, 0, 1); });
  EXPECT_EQ(OpenAndReadCode(moved), StatusCode::kUnauthenticated);
  // Even if the header could be made to name this table: a place is part of
  // each nonce.
  const auto reader = OpenTestFile(path);
  ASSERT_TRUE(reader.ok());
  const std::string bytes = ReadWhole(path);
  const BytesView first = AsBytes(bytes).subspan(kDataOffset, kTestSegment);
  std::string out(kTestSegment, '\xff');
  EXPECT_TRUE(
      reader->keys().Open(0, false, reader->table().Get(0), first, Bytes(out)));
  EXPECT_FALSE(
      reader->keys().Open(1, false, reader->table().Get(0), first, Bytes(out)));
  EXPECT_FALSE(
      reader->keys().Open(0, true, reader->table().Get(0), first, Bytes(out)));
}

TEST(ReaderTest, SegmentsOfAnotherFileUnderTheSameKeyAreFound) {
  const std::string contents = TestContents(kSize);
  const std::string ours = EncryptedTestFile(contents);
  const std::string theirs = ReadWhole(EncryptedTestFile(contents));
  EXPECT_EQ(OpenAndReadCode(Changed(ours,
                                    [&](std::string& s) {
                                      s.replace(kDataOffset, kTestSegment,
                                                theirs, kDataOffset,
                                                kTestSegment);
                                    })),
            StatusCode::kUnauthenticated);
  // With the entry, and with the whole table.
  EXPECT_EQ(OpenAndReadCode(Changed(ours,
                                    [&](std::string& s) {
                                      s.replace(kBlockSize, std::string::npos,
                                                theirs, kBlockSize,
                                                std::string::npos);
                                    })),
            StatusCode::kUnauthenticated);
}

TEST(ReaderTest, AFileThatWasNeverFinishedIsRefused) {
  const std::string path = EncryptedTestFile(TestContents(kSize));
  const std::string unfinished = Changed(path, [](std::string& s) {
    Header header = ParseHeaderBlock(AsBytes(s).first(kBlockSize)).value();
    header.table_digest.fill(0);
    s.replace(0, kBlockSize, EncodeHeaderBlock(header));
  });
  const auto file = UnverifiedFile::Open(unfinished);
  EXPECT_EQ(file.status().code(), StatusCode::kUnauthenticated);
  EXPECT_EQ(file.status().message(), "weights file: it was never finished");
}

// What the system says of a path is no verdict on a file.
TEST(ReaderTest, ASystemErrorIsNotTakenForDamageOrAnotherKey) {
  const std::string path = EncryptedTestFile("weights");
  EXPECT_EQ(UnverifiedFile::Open(path + "/x").status().code(),
            StatusCode::kUnknown);
  EXPECT_EQ(UnverifiedFile::Open(std::string(5000, 'x')).status().code(),
            StatusCode::kUnknown);
  EXPECT_EQ(UnverifiedFile::Open(path + "x").status().code(),
            StatusCode::kNotFound);
}

// ---------------------------------------------------------------------------
// Keys and expectations

TEST(ReaderTest, AnotherKeyDoesNotOpen) {
  auto file = UnverifiedFile::Open(EncryptedTestFile("weights"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Reader::Create(*std::move(file), TestKey(1), TestExpectation())
                .status()
                .code(),
            StatusCode::kUnauthenticated);
}

TEST(ReaderTest, KeysOf31BytesAreRefused) {
  auto file = UnverifiedFile::Open(EncryptedTestFile("weights"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Reader::Create(*std::move(file), Secret::Allocate(31).value(),
                           TestExpectation())
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

TEST(ReaderTest, AnotherKeyNameOrVersionIsRefused) {
  const std::string path = EncryptedTestFile("weights");
  const auto code = [&](auto change) {
    Expectation expected = TestExpectation();
    change(expected);
    return OpenTestFile(path, expected).status().code();
  };
  EXPECT_EQ(code([](Expectation& e) { e.name = "llama"; }),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(code([](Expectation& e) { e.name_space = "other"; }),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(code([](Expectation& e) { e.version = 2; }),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(code([](Expectation& e) { e.version.reset(); }), StatusCode::kOk);
}

TEST(ReaderTest, AnotherArtifactOfTheSameKeyIsRefused) {
  const std::string contents = TestContents(kSize);
  const std::string path = EncryptedTestFile(contents);
  const auto other = UnverifiedFile::Open(EncryptedTestFile(contents));
  ASSERT_TRUE(other.ok());
  Expectation expected = TestExpectation();
  expected.artifact_digest = other->artifact_digest();
  EXPECT_EQ(OpenTestFile(path, expected).status().code(),
            StatusCode::kUnauthenticated);
}

// Who holds the key can make a segment with any GCM tag; the artifact digest
// binds him too. Here he forges the easier half: a digest that is not the
// ciphertext's, under a header that authenticates.
TEST(ReaderTest, AnExpectedArtifactBindsHoldersOfTheKeyToo) {
  const std::string path = EncryptedTestFile(TestContents(kSize));
  const auto honest = OpenTestFile(path);
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
  const std::string forged = Changed(path, [&](std::string& s) {
    s.replace(0, kBlockSize, EncodeHeaderBlock(header));
    s.replace(kBlockSize, table.bytes().size(), table.bytes());
  });
  EXPECT_EQ(OpenAndReadCode(forged), StatusCode::kOk);
  Expectation expected = TestExpectation();
  expected.artifact_digest = ArtifactDigest(header);
  EXPECT_EQ(OpenAndRead(forged, expected).code(), StatusCode::kUnauthenticated);
  expected.artifact_digest = honest->artifact_digest();
  EXPECT_TRUE(OpenAndRead(path, expected).ok());
}

// ---------------------------------------------------------------------------
// Random access

TEST(ReaderTest, ReadsAnyRange) {
  const std::string contents = TestContents(3 * kTestSegment + 1000);
  const auto reader = OpenTestFile(EncryptedTestFile(contents));
  ASSERT_TRUE(reader.ok());
  const size_t edges[] = {0,
                          1,
                          kTestSegment - 1,
                          kTestSegment,
                          kTestSegment + 1,
                          2 * kTestSegment + 77,
                          3 * kTestSegment,
                          contents.size() - 1,
                          contents.size()};
  for (const size_t from : edges) {
    for (const size_t to : edges) {
      if (to < from) continue;
      std::string out(to - from, '\xff');
      ASSERT_TRUE(reader->ReadAt(from, Bytes(out)).ok()) << from << " " << to;
      ASSERT_EQ(out, contents.substr(from, to - from)) << from << " " << to;
    }
  }
}

TEST(ReaderTest, ReadsBeyondTheEndAreRefused) {
  const auto reader = OpenTestFile(EncryptedTestFile("weights"));
  ASSERT_TRUE(reader.ok());
  for (const uint64_t offset : {uint64_t{7}, uint64_t{8}, UINT64_MAX}) {
    std::string out(1, '\xff');
    EXPECT_EQ(reader->ReadAt(offset, Bytes(out)).code(),
              StatusCode::kOutOfRange);
    EXPECT_EQ(out, std::string(1, '\0'));
  }
  std::string out(8, '\xff');
  EXPECT_EQ(reader->ReadAt(0, Bytes(out)).code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(AllZero(AsBytes(out)));
  EXPECT_TRUE(reader->ReadAt(7, {}).ok());
}

TEST(ReaderTest, AFailedReadGivesZerosOnly) {
  const std::string path = EncryptedTestFile(TestContents(3 * kTestSegment));
  const std::string damaged = Changed(
      path, [](std::string& s) { s[kDataOffset + 2 * kTestSegment] ^= 1; });
  const auto reader = OpenTestFile(damaged);
  ASSERT_TRUE(reader.ok());
  std::string out(2 * kTestSegment, '\xff');
  EXPECT_EQ(reader->ReadAt(kTestSegment / 2, Bytes(out)).code(),
            StatusCode::kUnauthenticated);
  EXPECT_TRUE(AllZero(AsBytes(out)));
  EXPECT_TRUE(
      reader->ReadAt(kTestSegment / 2, Bytes(out).first(kTestSegment)).ok());
}

TEST(ReaderTest, ManyThreadsReadAtOnce) {
  const std::string contents = TestContents(5 * kTestSegment);
  const auto reader = OpenTestFile(EncryptedTestFile(contents));
  ASSERT_TRUE(reader.ok());
  constexpr size_t kPiece = 10007;
  std::atomic<size_t> next = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        const size_t from = next.fetch_add(kPiece / 2);
        if (from + kPiece > contents.size()) return;
        std::string out(kPiece, '\xff');
        if (!reader->ReadAt(from, Bytes(out)).ok() ||
            out != contents.substr(from, kPiece)) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// 6 GiB, of which only the last segment is really there: a hole elsewhere.
TEST(ReaderTest, ReadsBeyond4GiB) {
  Header header;
  header.key = TestKeyName();
  header.segment_log2 = 24;
  header.size = (uint64_t{6} << 30) - 5;
  const auto keys = FileKeys::Derive(TestKey(), header);
  ASSERT_TRUE(keys.ok());
  const Layout layout(header);
  const uint64_t last = layout.segments() - 1;
  ASSERT_GT(layout.PlaintextOffset(last), uint64_t{1} << 32);
  const std::string plaintext = TestContents(layout.SizeOf(last));
  std::string ciphertext(plaintext.size(), '\0');
  Entry entry;
  keys->Seal(last, true, AsBytes(plaintext), Bytes(ciphertext), entry);
  Table table(layout.segments());
  table.Set(last, entry);
  const std::string digest = table.Digest();
  std::copy(digest.begin(), digest.end(), header.table_digest.begin());
  const std::string tag = keys->HeaderTag(header).value();
  std::copy(tag.begin(), tag.end(), header.tag.begin());
  const std::string path = FreshPath("sparse.kms");
  {
    const File file(open(path.c_str(), O_RDWR | O_CREAT, 0600), path);
    ASSERT_EQ(ftruncate(file.fd(), static_cast<off_t>(layout.file_size())), 0);
    ASSERT_TRUE(file.WriteAt(0, AsBytes(EncodeHeaderBlock(header))).ok());
    ASSERT_TRUE(
        file.WriteAt(layout.table_offset(), AsBytes(table.bytes())).ok());
    ASSERT_TRUE(
        file.WriteAt(layout.FileOffset(last), AsBytes(ciphertext)).ok());
  }
  const auto reader = OpenTestFile(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::string out(1000, '\xff');
  ASSERT_TRUE(
      reader->ReadAt(layout.PlaintextOffset(last) + 3, Bytes(out)).ok());
  EXPECT_EQ(out, plaintext.substr(3, 1000));
  EXPECT_EQ(reader->ReadAt(layout.PlaintextOffset(last) - 1, Bytes(out)).code(),
            StatusCode::kUnauthenticated);
}

}  // namespace
}  // namespace kms::weights
