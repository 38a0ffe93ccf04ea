#include "storage/log/local/acknowledged_file.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"

namespace kms::storage {
namespace {

std::string File(absl::string_view first, absl::string_view second) {
  std::string file(kAcknowledgedFileBytes, '\0');
  file.replace(0, first.size(), std::string(first));
  file.replace(kAcknowledgedSlotOffset, second.size(), std::string(second));
  return file;
}

std::string Slot(uint64_t epoch, uint64_t index) {
  return EncodeAcknowledgedSlot({epoch, index});
}

TEST(AcknowledgedFormat, SlotHasTheDocumentedLayout) {
  const std::string slot = Slot(2, 0x0102);
  EXPECT_EQ(slot.size(), kAcknowledgedSlotBytes);
  EXPECT_EQ(slot.substr(0, 8), "KMSACK01");
  EXPECT_EQ(Hex(slot.substr(8, 16)), "02000000000000000201000000000000");
}

TEST(AcknowledgedFormat, TakesTheHigherSlot) {
  EXPECT_EQ(*DecodeAcknowledgedFile(AsBytes(File(Slot(1, 8), Slot(1, 7)))),
            (LogPosition{1, 8}));
  EXPECT_EQ(*DecodeAcknowledgedFile(AsBytes(File(Slot(1, 8), Slot(1, 9)))),
            (LogPosition{1, 9}));
}

TEST(AcknowledgedFormat, NeverWrittenHoldsNothing) {
  EXPECT_EQ(*DecodeAcknowledgedFile(AsBytes(File("", ""))), LogPosition{});
}

TEST(AcknowledgedFormat, TornSlotFallsBackToTheOther) {
  const std::string whole = Slot(1, 8);
  for (size_t size = 1; size < kAcknowledgedSlotBytes; ++size) {
    // The new bytes up to `size`, those of two indexes before after it.
    const std::string torn =
        Slot(1, 0x1111111111111111).substr(0, size) + Slot(1, 7).substr(size);
    const auto position = DecodeAcknowledgedFile(AsBytes(File(whole, torn)));
    ASSERT_TRUE(position.ok()) << position.status();
    EXPECT_EQ(*position, (LogPosition{1, 8})) << size;
  }
}

TEST(AcknowledgedFormat, DamageWithNothingToFallBackToIsDataLoss) {
  std::string bad = Slot(1, 7);
  bad[9] ^= 1;
  for (const std::string& file :
       {File(bad, ""), File("", bad), File(bad, bad)}) {
    const auto position = DecodeAcknowledgedFile(AsBytes(file));
    EXPECT_EQ(position.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(RefusalOf(position.status()), v1::DATA_LOSS);
  }
}

TEST(AcknowledgedFormat, EveryFlippedBitOfASlotIsNoticed) {
  for (size_t i = 0; i < kAcknowledgedSlotBytes * 8; ++i) {
    std::string bad = Slot(1, 7);
    bad[i / 8] = static_cast<char>(bad[i / 8] ^ (1 << i % 8));
    EXPECT_EQ(DecodeAcknowledgedFile(AsBytes(File(bad, ""))).status().code(),
              absl::StatusCode::kDataLoss)
        << i;
  }
}

TEST(AcknowledgedFormat, AnotherSizeIsDataLoss) {
  const std::string good = File(Slot(1, 8), Slot(1, 7));
  for (const std::string& file : {std::string(), good.substr(1), good + '\0'}) {
    EXPECT_EQ(DecodeAcknowledgedFile(AsBytes(file)).status().code(),
              absl::StatusCode::kDataLoss);
  }
}

class AcknowledgedFileTest : public testing::Test {
 protected:
  static std::string FreshPath() {
    static int count = 0;
    return absl::StrCat(testing::TempDir(), "/acknowledged_", ++count);
  }
  const std::string path_ = FreshPath();
};

TEST_F(AcknowledgedFileTest, AbsentFileIsNotFound) {
  EXPECT_EQ(AcknowledgedFile::Open(path_).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(AcknowledgedFileTest, RemembersAcrossOpens) {
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  for (uint64_t index = 1; index <= 5; ++index) {
    const auto file = AcknowledgedFile::Open(path_);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->position(),
              index == 1 ? LogPosition{} : (LogPosition{4, index - 1}));
    ASSERT_TRUE((*file)->Record({4, index}).ok());
    EXPECT_EQ((*file)->position(), (LogPosition{4, index}));
  }
}

TEST_F(AcknowledgedFileTest, CreateLeavesAnExistingOneAlone) {
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  ASSERT_TRUE((*AcknowledgedFile::Open(path_))->Record({4, 1}).ok());
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  EXPECT_EQ((*AcknowledgedFile::Open(path_))->position(), (LogPosition{4, 1}));
}

TEST_F(AcknowledgedFileTest, CreateFinishesAnEmptyOne) {
  std::ofstream(path_).flush();
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  EXPECT_EQ((*AcknowledgedFile::Open(path_))->position(), LogPosition{});
}

TEST_F(AcknowledgedFileTest, IsItsOwnersOnly) {
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  struct stat info;
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(AcknowledgedFileTest, LongerFileIsDataLoss) {
  ASSERT_TRUE(AcknowledgedFile::Create(path_).ok());
  std::ofstream(path_, std::ios::app) << 'x';
  EXPECT_EQ(AcknowledgedFile::Open(path_).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace kms::storage
