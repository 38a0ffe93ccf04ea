// The pieces that need no etcd.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log/etcd/entry_assembler.h"
#include "storage/log/etcd/entry_index.h"
#include "storage/log/etcd/keys.h"

namespace kms::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

BatchId Id(uint64_t sequence) {
  BatchId id;
  id.instance.bytes.fill(0xab);
  id.incarnation = 2;
  id.sequence = sequence;
  return id;
}

const EtcdKeys& Keys() {
  static const EtcdKeys keys("kms", 16);
  return keys;
}

TEST(EtcdKeysTest, HaveOneFormEach) {
  EXPECT_EQ(Keys().Epoch(), "kms/epoch");
  EXPECT_EQ(Keys().Tail(), "kms/0000000000000010/tail");
  EXPECT_EQ(Keys().Trimmed(), "kms/0000000000000010/trimmed");
  const std::string key = Keys().Batch(Id(3));
  EXPECT_EQ(key,
            "kms/0000000000000010/batch/abababababababababababababababab-"
            "0000000000000002-0000000000000003");
  EXPECT_EQ(Keys().ParseBatch(key), Id(3));
  for (size_t i = 0; i < key.size(); ++i) {
    EXPECT_EQ(Keys().ParseBatch(key.substr(0, i)), std::nullopt);
    std::string other = key;
    other[i] = other[i] == 'A' ? 'B' : 'A';  // Uppercase is none of ours.
    EXPECT_EQ(Keys().ParseBatch(other), std::nullopt) << other;
  }
  EXPECT_EQ(Keys().ParseBatch(key + "0"), std::nullopt);
  EXPECT_EQ(RangeEnd("kms/"), "kms0");
}

TEST(EtcdKeysTest, NumbersAreSixteenLowercaseDigits) {
  EXPECT_EQ(EncodeHex16(0xabcdef), "0000000000abcdef");
  EXPECT_THAT(ParseHex16("0000000000abcdef"), Optional(0xabcdefu));
  EXPECT_EQ(ParseHex16("0000000000ABCDEF"), std::nullopt);
  EXPECT_EQ(ParseHex16("abcdef"), std::nullopt);
  EXPECT_EQ(ParseHex16("000000000000000g"), std::nullopt);
}

class EntryAssemblerTest : public testing::Test {
 protected:
  static mvccpb::Event Put(const std::string& key, int64_t revision,
                           int64_t version, const std::string& value = "") {
    mvccpb::Event event;
    event.mutable_kv()->set_key(key);
    event.mutable_kv()->set_mod_revision(revision);
    event.mutable_kv()->set_create_revision(revision - version + 1);
    event.mutable_kv()->set_version(version);
    event.mutable_kv()->set_value(value);
    return event;
  }
  static mvccpb::Event Batch(uint64_t sequence, int64_t revision) {
    return Put(Keys().Batch(Id(sequence)), revision, 1, "batch");
  }
  static mvccpb::Event Tail(int64_t index, int64_t revision) {
    return Put(Keys().Tail(), revision, index);
  }

  absl::StatusCode Take(mvccpb::Event event) {
    return assembler_.Take(std::move(event)).status().code();
  }

  EntryAssembler assembler_{Keys(), /*index=*/4, /*revision=*/100};
};

TEST_F(EntryAssemblerTest, AnEntryIsABatchAndItsTail) {
  const auto batch = assembler_.Take(Batch(1, 105));
  ASSERT_TRUE(batch.ok());
  EXPECT_FALSE(batch->has_value());
  EXPECT_EQ(assembler_.index(), 4u);
  const auto tail = assembler_.Take(Tail(5, 105));
  ASSERT_TRUE(tail.ok()) << tail.status();
  ASSERT_TRUE(tail->has_value());
  EXPECT_EQ((*tail)->id, Id(1));
  EXPECT_EQ((*tail)->entry.position, (LogPosition{16, 5}));
  EXPECT_EQ((*tail)->entry.batch, "batch");
  EXPECT_EQ(assembler_.index(), 5u);
  EXPECT_EQ(assembler_.revision(), 105);
}

TEST_F(EntryAssemblerTest, DeletionsAndOtherKeysAreSkipped) {
  mvccpb::Event deleted = Tail(9, 101);
  deleted.set_type(mvccpb::Event::DELETE);
  EXPECT_EQ(Take(deleted), absl::StatusCode::kOk);
  EXPECT_EQ(Take(Put(Keys().Trimmed(), 101, 7)), absl::StatusCode::kOk);
  EXPECT_EQ(Take(Put("else", 1, 7)), absl::StatusCode::kOk);
  EXPECT_EQ(assembler_.index(), 4u);
}

TEST_F(EntryAssemblerTest, DisorderIsNoEntry) {
  // A tail without a batch, of another revision, with another index.
  EXPECT_EQ(Take(Tail(5, 105)), absl::StatusCode::kAborted);
  for (const auto& [index, revision] :
       {std::pair<int64_t, int64_t>{5, 106}, {6, 105}, {4, 105}, {-1, 105}}) {
    EntryAssembler assembler(Keys(), 4, 100);
    ASSERT_TRUE(assembler.Take(Batch(1, 105)).ok());
    EXPECT_EQ(assembler.Take(Tail(index, revision)).status().code(),
              absl::StatusCode::kAborted);
  }
  // A batch without a tail.
  ASSERT_EQ(Take(Batch(1, 105)), absl::StatusCode::kOk);
  EXPECT_EQ(Take(Batch(2, 106)), absl::StatusCode::kAborted);
  // Of the past, or once more.
  EntryAssembler later(Keys(), 4, 100);
  EXPECT_EQ(later.Take(Batch(1, 100)).status().code(),
            absl::StatusCode::kAborted);
}

TEST_F(EntryAssemblerTest, WhatNoHonestLogHoldsIsDataLoss) {
  const std::string key = Keys().Batch(Id(1));
  EXPECT_EQ(Take(Put(key, 105, 2, "batch")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Take(Put(key, 105, 1, "")), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Take(Put(key, 105, 1, std::string(kBatchBytesMax + 1, 'x'))),
            absl::StatusCode::kDataLoss);
  mvccpb::Event recreated = Batch(1, 105);
  recreated.mutable_kv()->set_create_revision(104);
  EXPECT_EQ(Take(recreated), absl::StatusCode::kDataLoss);
}

TEST(EntryIndexTest, KnowsWhatWasReadInARow) {
  EntryIndex index;
  EXPECT_EQ(index.Between(0, 1), std::nullopt);
  for (uint64_t i = 5; i <= 9; ++i) index.Add(i, Id(i));
  EXPECT_THAT(index.Between(5, 7), Optional(ElementsAre(Id(6), Id(7))));
  EXPECT_THAT(index.Between(4, 5), Optional(ElementsAre(Id(5))));
  EXPECT_EQ(index.Between(3, 5), std::nullopt);
  EXPECT_EQ(index.Between(5, 10), std::nullopt);
  index.Add(7, Id(7));  // Read again.
  EXPECT_THAT(index.Between(8, 9), Optional(ElementsAre(Id(9))));
  index.Forget(8);
  EXPECT_EQ(index.Between(7, 9), std::nullopt);
  EXPECT_THAT(index.Between(8, 9), Optional(ElementsAre(Id(9))));
  index.Add(20, Id(20));  // A gap: what was before is of no use.
  EXPECT_EQ(index.Between(8, 9), std::nullopt);
  EXPECT_THAT(index.Between(19, 20), Optional(ElementsAre(Id(20))));
}

}  // namespace
}  // namespace kms::storage
