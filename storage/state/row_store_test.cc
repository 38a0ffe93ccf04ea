// Row keys, the row sum, and the batch of writes.
#include "storage/state/row_store.h"

#include "gtest/gtest.h"
#include "storage/engine/memory_engine.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

TEST(RowKeyTest, FamiliesAreDenseAndParseBack) {
  for (const FamilyInfo& info : Families()) {
    EXPECT_EQ(&InfoOf(info.family), &info);
    const RowKey key = MakeRowKey(
        info.family, info.has_namespace ? TestId(1, kNamespaceTagBytes) : "",
        TestId(2, info.id_size));
    const auto parsed = ParseRowKey(key.bytes());
    ASSERT_TRUE(parsed.ok()) << info.name;
    EXPECT_EQ(*parsed, key);
    EXPECT_EQ(parsed->id(), TestId(2, info.id_size));
    EXPECT_EQ(ParseRowKey(key.bytes() + "x").status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ParseRowKey(key.bytes().substr(0, key.bytes().size() - 1))
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(RowKeyTest, RefusesUnknownFamilies) {
  for (const char family : {'\0', '\x12', '\xff'}) {
    EXPECT_EQ(ParseRowKey(std::string(17, family)).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ParseRowKey("").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RowKeyTest, NamesAreHashedWithLengthsAndFamily) {
  const StateFixture fixture;
  const auto names = NameHasher::Create(*fixture.envelope().keyring());
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_NE(names->KeyName("ab", "c").id(), names->KeyName("a", "bc").id());
  EXPECT_NE(names->Hash(Family::kKeyName, "a", "b"),
            names->Hash(Family::kPolicy, "a", "b"));
  EXPECT_EQ(names->KeyName("default", "weights").bytes().find("weights"),
            std::string::npos);
}

TEST(RowSumTest, AddsAndSubtractsModulo) {
  const RowSum one = *RowSum::FromBytes("\x01" + std::string(31, '\0'));
  RowSum sum;
  sum.Subtract(one);
  EXPECT_EQ(sum.bytes(), std::string(32, '\xff'));
  sum.Add(one);
  EXPECT_EQ(sum, RowSum());
  const RowSum big = *RowSum::FromBytes(std::string(32, '\xab'));
  sum.Add(big);
  sum.Add(one);
  sum.Subtract(big);
  EXPECT_EQ(sum, one);
  EXPECT_EQ(RowSum::FromBytes("short").status().code(),
            absl::StatusCode::kInvalidArgument);
}

class RowBatchTest : public testing::Test {
 protected:
  RowBatchTest() {
    WriteBatch writes;
    RowBatch rows(reader_);
    EXPECT_TRUE(rows.Put(old_, "before").ok());
    EXPECT_TRUE(rows.Seal(fixture_.envelope(), writes).ok());
    EXPECT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  RowReader reader_{engine_, fixture_.envelope()};
  RowHasher hasher_ = *RowHasher::Create(*fixture_.envelope().keyring());
  const RowKey old_ = SpentRow(TestId(1, 32));
  const RowKey new_ = SpentRow(TestId(2, 32));
};

TEST_F(RowBatchTest, ReadsItsOwnWrites) {
  RowBatch rows(reader_);
  EXPECT_EQ(*rows.Get(old_), std::optional<std::string>("before"));
  ASSERT_TRUE(rows.Put(old_, "after").ok());
  ASSERT_TRUE(rows.Put(new_, "made").ok());
  EXPECT_EQ(*rows.Get(old_), std::optional<std::string>("after"));
  EXPECT_EQ(*rows.Get(new_), std::optional<std::string>("made"));
  ASSERT_TRUE(rows.Delete(old_).ok());
  EXPECT_EQ(*rows.Get(old_), std::nullopt);
  EXPECT_EQ(*reader_.Get(old_), std::optional<std::string>("before"));
}

TEST_F(RowBatchTest, SumMovesFromTheOldValuesToTheNewOnes) {
  RowSum sum = hasher_.Hash(old_, "before");
  RowBatch rows(reader_);
  ASSERT_TRUE(rows.Put(old_, "between").ok());
  ASSERT_TRUE(rows.Put(old_, "after").ok());
  ASSERT_TRUE(rows.Put(new_, "made").ok());
  rows.Append(LeafRow(0), "a leaf is not in the sum");
  rows.MoveSum(hasher_, sum);
  RowSum want = hasher_.Hash(old_, "after");
  want.Add(hasher_.Hash(new_, "made"));
  EXPECT_EQ(sum, want);
}

TEST_F(RowBatchTest, DeletingAnAbsentRowIsDataLoss) {
  RowBatch rows(reader_);
  EXPECT_EQ(rows.Delete(new_).code(), absl::StatusCode::kDataLoss);
}

TEST_F(RowBatchTest, RowStoredInAnotherPlaceDoesNotOpen) {
  WriteBatch writes;
  writes.Put(new_.bytes(), **engine_.Get(old_.bytes()));
  ASSERT_TRUE(engine_.Write(writes, Sync::kNo).ok());
  EXPECT_EQ(reader_.Get(new_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RowBatchTest, DigestDependsOnEveryChangeAndNotOnItsOrder) {
  const auto digest = [&](const std::string& a, const std::string& b,
                          bool swap) {
    RowBatch rows(reader_);
    EXPECT_TRUE(rows.Put(swap ? new_ : old_, swap ? b : a).ok());
    EXPECT_TRUE(rows.Put(swap ? old_ : new_, swap ? a : b).ok());
    crypto::Sha256Hasher hasher;
    rows.Digest(hasher);
    return hasher.Finish();
  };
  EXPECT_EQ(digest("a", "b", false), digest("a", "b", true));
  EXPECT_NE(digest("a", "b", false), digest("b", "a", false));
  EXPECT_NE(digest("ab", "", false), digest("a", "b", false));
}

}  // namespace
}  // namespace kms::storage
