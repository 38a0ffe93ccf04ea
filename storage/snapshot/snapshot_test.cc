// A state copied row by row: what arrives is the state that left, and every
// lie a donor can tell is refused by its exact code.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "storage/engine/memory_engine.h"
#include "storage/snapshot/chunk.h"
#include "storage/snapshot/limits.h"
#include "storage/snapshot/snapshot_receiver.h"
#include "storage/snapshot/snapshot_writer.h"
#include "storage/state/limits.h"
#include "storage/state/scrubber.h"
#include "storage/state/state_fixture.h"
#include "storage/state/state_machine.h"

namespace kms::storage {
namespace {

// One record with bytes of its own.
struct Record {
  std::string header;
  std::optional<RowKey> key;
  std::string value;
  uint64_t rows = 0;
};

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    // Over 256 leaves, so that there is a full tile; over one chunk of rows.
    fed_.Do(fixture_.PutPolicy("p"));
    for (int i = 0; i < 6; ++i) {
      Command large = fixture_.PutPolicy(absl::StrCat("large", i));
      large.mutable_put_policy()->set_source(
          std::string(kPolicySourceBytesMax, 's'));
      fed_.Do(large);
    }
    for (uint64_t i = 0; i < 3; ++i) {
      std::vector<Command> keys;
      for (uint64_t j = 0; j < 100; ++j) {
        const uint64_t n = 1000 + 100 * i + j;
        keys.push_back(
            fixture_.CreateKey(absl::StrCat("k", n), TestId(n), "p"));
      }
      fed_.Do(keys);
    }
  }

  std::string cluster() const { return fed_.view()->header().cluster_id(); }
  LogPosition position() const { return fed_.view()->position(); }
  ChunkPlace Place(uint64_t number) const {
    return {cluster(), position(), number};
  }

  std::vector<std::string> Chunks() {
    SnapshotWriter writer(fed_.view(), fixture_.envelope());
    std::vector<std::string> chunks;
    for (;;) {
      auto chunk = writer.Next();
      EXPECT_TRUE(chunk.ok()) << chunk.status();
      if (!chunk.ok() || !chunk->has_value()) return chunks;
      chunks.push_back(**chunk);
    }
  }

  std::vector<Record> Records() {
    std::vector<Record> records;
    uint64_t number = 0;
    for (const std::string& sealed : Chunks()) {
      const auto chunk =
          OpenChunk(fixture_.envelope(), Place(number++), sealed);
      EXPECT_TRUE(chunk.ok()) << chunk.status();
      EXPECT_TRUE(
          ParseChunk(AsBytes(*chunk), [&](const SnapshotRecord& record) {
            Record copy;
            if (const auto* h = std::get_if<SnapshotHeader>(&record)) {
              copy.header = std::string(h->bytes);
            } else if (const auto* row = std::get_if<SnapshotRow>(&record)) {
              copy.key = row->key;
              copy.value = std::string(row->value);
            } else {
              copy.rows = std::get<SnapshotEnd>(record).rows;
            }
            records.push_back(std::move(copy));
            return absl::OkStatus();
          }).ok());
    }
    return records;
  }

  // As a donor with all keys would send them: one record a chunk.
  std::vector<std::string> Seal(const std::vector<Record>& records) {
    std::vector<std::string> chunks;
    for (const Record& record : records) {
      ByteWriter chunk;
      if (!record.header.empty()) {
        PutRecord(SnapshotHeader{record.header}, chunk);
      } else if (record.key.has_value()) {
        PutRecord(SnapshotRow{*record.key, record.value}, chunk);
      } else {
        PutRecord(SnapshotEnd{record.rows}, chunk);
      }
      chunks.push_back(
          *SealChunk(fixture_.envelope(), Place(chunks.size()), chunk.str()));
    }
    return chunks;
  }

  absl::Status Receive(Engine& engine, const std::vector<std::string>& chunks,
                       std::optional<KnownState> known = std::nullopt) {
    KMS_ASSIGN_OR_RETURN(
        SnapshotReceiver receiver,
        SnapshotReceiver::Create(engine, fixture_.envelope(), cluster(),
                                 position(), std::move(known)));
    for (const std::string& chunk : chunks) {
      KMS_RETURN_IF_ERROR(receiver.Add(chunk));
    }
    return receiver.Finish();
  }

  void ExpectRefused(const std::vector<std::string>& chunks) {
    MemoryEngine engine;
    const absl::Status status = Receive(engine, chunks);
    EXPECT_EQ(RefusalOf(status), v1::DATA_LOSS) << status;
    // And what there is of it never serves. An engine with nothing in it is a
    // state before Genesis, which serves nothing either.
    const auto opened = StateMachine::Open(engine, fixture_.envelope());
    if (opened.ok()) {
      EXPECT_EQ((*opened)->applied(), LogPosition());
    } else {
      EXPECT_EQ(RefusalOf(opened.status()), v1::DATA_LOSS);
    }
  }

  StateFixture fixture_;
  MemoryEngine engine_;
  FedMachine fed_{fixture_, engine_};
};

TEST_F(SnapshotTest, ArrivesAsItLeft) {
  const std::vector<std::string> chunks = Chunks();
  ASSERT_GT(chunks.size(), 1u);
  MemoryEngine copy;
  ASSERT_TRUE(Receive(copy, chunks).ok());
  const auto opened = StateMachine::Open(copy, fixture_.envelope());
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto view = (*opened)->View();
  EXPECT_EQ(view->header().SerializeAsString(),
            fed_.view()->header().SerializeAsString());
  EXPECT_EQ(view->GetKey("default", "k1042")->key_id(), TestId(1042));
  EXPECT_EQ(*view->GetLeaf(17), *fed_.view()->GetLeaf(17));
  auto scrubber = Scrubber::Create(view, fixture_.envelope());
  ASSERT_TRUE(scrubber.ok());
  auto done = scrubber->Step(1000);
  while (done.ok() && !*done) done = scrubber->Step(1000);
  EXPECT_TRUE(done.ok()) << done.status();
}

TEST_F(SnapshotTest, GoesOnWithTheLogToTheSameDigest) {
  MemoryEngine copy;
  ASSERT_TRUE(Receive(copy, Chunks()).ok());
  const auto opened = StateMachine::Open(copy, fixture_.envelope());
  ASSERT_TRUE(opened.ok()) << opened.status();
  fed_.Do(fixture_.CreateKey("after", TestId(7), "p"));
  const auto result = (*opened)->Apply(fed_.log().back());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->digest, fed_.view()->header().digest());
}

TEST_F(SnapshotTest, RowsAreEncryptedAnew) {
  MemoryEngine copy;
  ASSERT_TRUE(Receive(copy, Chunks()).ok());
  const RowKey key = InstanceRow(fixture_.first().id);
  EXPECT_NE(**copy.Get(key.bytes()), **engine_.Get(key.bytes()));
}

TEST_F(SnapshotTest, RefusesAStreamThatIsCutShort) {
  std::vector<std::string> chunks = Chunks();
  while (!chunks.empty()) {
    chunks.pop_back();
    ExpectRefused(chunks);
  }
}

TEST_F(SnapshotTest, RefusesChunksThatAreReorderedRepeatedOrSkipped) {
  const std::vector<std::string> chunks = Chunks();
  std::vector<std::string> bad = chunks;
  std::swap(bad[0], bad[1]);
  ExpectRefused(bad);
  bad = chunks;
  bad.insert(bad.begin(), bad[0]);
  ExpectRefused(bad);
  bad = chunks;
  bad.erase(bad.begin());
  ExpectRefused(bad);
  bad = chunks;
  bad.push_back(chunks.back());
  ExpectRefused(bad);
}

TEST_F(SnapshotTest, RefusesAFlippedByteAnywhereInAChunk) {
  const std::vector<std::string> chunks = Chunks();
  for (size_t at = 0; at < chunks[0].size(); at += 4099) {
    std::vector<std::string> bad = chunks;
    bad[0][at] = static_cast<char>(bad[0][at] ^ 1);
    MemoryEngine engine;
    const absl::Status status = Receive(engine, bad);
    // Of the key version, a flip names another key that is not here.
    EXPECT_TRUE(RefusalOf(status) == v1::DATA_LOSS ||
                (at < 5 && absl::IsFailedPrecondition(status)))
        << at << status;
  }
}

TEST_F(SnapshotTest, RefusesAnotherPositionAndAnotherCluster) {
  const std::vector<std::string> chunks = Chunks();
  MemoryEngine engine;
  LogPosition other = position();
  ++other.index;
  auto receiver =
      SnapshotReceiver::Create(engine, fixture_.envelope(), cluster(), other);
  ASSERT_TRUE(receiver.ok());
  EXPECT_EQ(RefusalOf(receiver->Add(chunks[0])), v1::DATA_LOSS);
  receiver = SnapshotReceiver::Create(engine, fixture_.envelope(), TestId(99),
                                      position());
  ASSERT_TRUE(receiver.ok());
  EXPECT_EQ(RefusalOf(receiver->Add(chunks[0])), v1::DATA_LOSS);
}

TEST_F(SnapshotTest, RefusesRowsThatAreChangedDroppedAddedOrOutOfOrder) {
  const std::vector<Record> records = Records();
  const auto forge = [&](const std::function<void(std::vector<Record>&)>& lie) {
    std::vector<Record> bad = records;
    lie(bad);
    bad.back().rows = bad.size() - 2;
    ExpectRefused(Seal(bad));
  };
  forge([](auto& bad) { bad[1].value += '\0'; });
  forge([](auto& bad) { bad.erase(bad.begin() + 1); });
  forge([](auto& bad) { bad.insert(bad.begin() + 1, bad[1]); });
  forge([](auto& bad) { std::swap(bad[1], bad[2]); });
  forge([](auto& bad) {
    Record added;
    added.key = InstanceRow(std::string(16, '\0'));
    bad.insert(bad.begin() + 1, added);
  });
  forge([](auto& bad) { bad.insert(bad.begin() + 1, bad[0]); });  // A header.
  forge([](auto& bad) { bad.erase(bad.begin()); });
  // The same records unchanged are a snapshot.
  MemoryEngine engine;
  EXPECT_TRUE(Receive(engine, Seal(records)).ok());
}

TEST_F(SnapshotTest, RefusesLeavesThatAreChangedDroppedOrBeyondTheTree) {
  const std::vector<Record> records = Records();
  size_t leaf = 1;
  while (records[leaf].key->family() != Family::kLeaf) ++leaf;
  const auto forge = [&](const std::function<void(std::vector<Record>&)>& lie) {
    std::vector<Record> bad = records;
    lie(bad);
    bad.back().rows = bad.size() - 2;
    ExpectRefused(Seal(bad));
  };
  const uint64_t size = fed_.view()->tree_size();
  forge([&](auto& bad) { bad[leaf].value += 'x'; });
  forge([&](auto& bad) { bad.erase(bad.begin() + static_cast<long>(leaf)); });
  forge([&](auto& bad) {
    bad.erase(bad.begin() + static_cast<long>(leaf + size - 1));
  });
  forge([&](auto& bad) {
    Record beyond = bad[leaf];
    beyond.key = LeafRow(size);
    bad.insert(bad.begin() + static_cast<long>(leaf + size), beyond);
  });
  forge([&](auto& bad) { bad[leaf].value.assign(kLeafBytesMax + 1, 'x'); });
}

TEST_F(SnapshotTest, RefusesTilesAndHeadersAmongTheRows) {
  const std::vector<Record> records = Records();
  for (const RowKey& key : {TileRow(0, 0), HeaderRow()}) {
    std::vector<Record> bad = records;
    Record row;
    row.key = key;
    row.value = std::string(32, 'x');
    size_t at = 1;
    while (at + 1 < bad.size() && bad[at].key->bytes() < key.bytes()) ++at;
    bad.insert(bad.begin() + static_cast<long>(at), row);
    bad.back().rows = bad.size() - 2;
    ExpectRefused(Seal(bad));
  }
}

TEST_F(SnapshotTest, RefusesADigestThatIsNotTheLastEntrys) {
  std::vector<Record> records = Records();
  ::storage::v1::StateHeader header;
  ASSERT_TRUE(header.ParseFromString(records[0].header));
  header.set_digest(std::string(32, 'd'));
  records[0].header = header.SerializeAsString();
  ExpectRefused(Seal(records));
}

TEST_F(SnapshotTest, RefusesAFeatureLevelThatThisBuildDoesNotSpeak) {
  std::vector<Record> records = Records();
  ::storage::v1::StateHeader header;
  ASSERT_TRUE(header.ParseFromString(records[0].header));
  header.set_feature_level(kFeatureLevelMax + 1);
  records[0].header = header.SerializeAsString();
  MemoryEngine engine;
  EXPECT_EQ(Receive(engine, Seal(records)).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(SnapshotTest, RefusesAChunkOverItsBound) {
  MemoryEngine engine;
  auto receiver = SnapshotReceiver::Create(engine, fixture_.envelope(),
                                           cluster(), position());
  ASSERT_TRUE(receiver.ok());
  const std::string big(kSnapshotChunkBytesMax + kEnvelopeOverhead + 1, 'x');
  EXPECT_EQ(RefusalOf(receiver->Add(big)), v1::DATA_LOSS);
}

TEST_F(SnapshotTest, RefusesARowOverItsBound) {
  std::vector<Record> records = Records();
  records[1].value.assign(kRowValueBytesMax + 1, 'x');
  ExpectRefused(Seal(records));
}

TEST_F(SnapshotTest, RefusesToFillTheDisk) {
  MemoryEngine engine;
  engine.SetFreeBytes(kSnapshotFreeBytesMin - 1);
  EXPECT_EQ(RefusalOf(Receive(engine, Chunks())), v1::LIMIT_REACHED);
}

TEST_F(SnapshotTest, RefusesAnEngineThatHoldsSomething) {
  EXPECT_EQ(Receive(engine_, Chunks()).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(SnapshotTest, ContinuesWhatALaggardHasOrIsRefused) {
  const auto before = fed_.view();
  KnownState known{before->position(), before->tree_size(),
                   before->tree_root()};
  // Stale: not after what the laggard has.
  MemoryEngine stale;
  EXPECT_EQ(RefusalOf(Receive(stale, Chunks(), known)), v1::DATA_LOSS);
  fed_.Do(fixture_.CreateKey("after", TestId(7), "p"));
  MemoryEngine engine;
  EXPECT_TRUE(Receive(engine, Chunks(), known).ok());
  // Another history of the same length.
  known.tree_root[0] = static_cast<char>(known.tree_root[0] ^ 1);
  MemoryEngine forked;
  EXPECT_EQ(RefusalOf(Receive(forked, Chunks(), known)), v1::DATA_LOSS);
  EXPECT_EQ(RefusalOf(StateMachine::Open(forked, fixture_.envelope()).status()),
            v1::DATA_LOSS);
  // A longer one than the donor's.
  known.tree_root = before->tree_root();
  known.tree_size = fed_.view()->tree_size() + 1;
  MemoryEngine behind;
  EXPECT_EQ(RefusalOf(Receive(behind, Chunks(), known)), v1::DATA_LOSS);
}

TEST_F(SnapshotTest, AForgedStateOfTheGenuineDigestPartsFromTheLog) {
  // A donor with every key changes a row, and the header's sum with it: the
  // copy opens, and the next entry's digest is not the others'.
  std::vector<Record> records = Records();
  size_t at = 1;
  while (records[at].key->family() != Family::kPolicyVersion) ++at;
  ::storage::v1::StateHeader header;
  ASSERT_TRUE(header.ParseFromString(records[0].header));
  const auto hasher = RowHasher::Create(*fixture_.envelope().keyring());
  RowSum sum = *RowSum::FromBytes(header.row_sum());
  sum.Subtract(hasher->Hash(*records[at].key, records[at].value));
  ::storage::v1::PolicyVersionRecord policy;
  ASSERT_TRUE(policy.ParseFromString(records[at].value));
  policy.set_source("anybody may have it");
  records[at].value = policy.SerializeAsString();
  sum.Add(hasher->Hash(*records[at].key, records[at].value));
  header.set_row_sum(sum.bytes());
  records[0].header = header.SerializeAsString();

  MemoryEngine forged;
  ASSERT_TRUE(Receive(forged, Seal(records)).ok());
  const auto opened = StateMachine::Open(forged, fixture_.envelope());
  ASSERT_TRUE(opened.ok()) << opened.status();
  fed_.Do(fixture_.CreateKey("after", TestId(7), "p"));
  const auto result = (*opened)->Apply(fed_.log().back());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_NE(result->digest, fed_.view()->header().digest());
}

}  // namespace
}  // namespace kms::storage
