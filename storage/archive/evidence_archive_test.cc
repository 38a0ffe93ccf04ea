#include "storage/archive/evidence_archive.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"
#include "storage/engine/memory_engine.h"

namespace kms::storage {
namespace {

class EvidenceArchiveTest : public testing::Test {
 protected:
  EvidenceArchiveTest()
      : envelope_(*Envelope::Create(
            std::make_shared<const Keyring>(*Keyring::Generate()))),
        archive_(&engine_, envelope_, absl::Hours(1)) {}

  MemoryEngine engine_;
  std::shared_ptr<const Envelope> envelope_;
  EvidenceArchive archive_;
  const absl::Time now_ = absl::FromUnixSeconds(1700000000);
  const std::string digest_ = crypto::Sha256(AsBytes("evidence"));
};

TEST_F(EvidenceArchiveTest, KeepsEvidenceEncryptedByDigest) {
  ASSERT_TRUE(archive_.Put(AsBytes(digest_), AsBytes("evidence"), now_).ok());
  EXPECT_EQ(*archive_.Get(AsBytes(digest_)), "evidence");
  ASSERT_TRUE(engine_
                  .Scan("", "", Engine::kNoLimit,
                        [](absl::string_view, absl::string_view value) {
                          EXPECT_EQ(value.find("evidence"),
                                    absl::string_view::npos);
                          return true;
                        })
                  .ok());
}

TEST_F(EvidenceArchiveTest, PrunesWhatExpiredAndNothingElse) {
  const std::string later = crypto::Sha256(AsBytes("later"));
  ASSERT_TRUE(archive_.Put(AsBytes(digest_), AsBytes("evidence"), now_).ok());
  ASSERT_TRUE(
      archive_.Put(AsBytes(later), AsBytes("later"), now_ + absl::Minutes(30))
          .ok());
  EXPECT_EQ(*archive_.Prune(now_ + absl::Minutes(59), 100), 0u);
  EXPECT_EQ(*archive_.Prune(now_ + absl::Minutes(61), 100), 1u);
  EXPECT_EQ(archive_.Get(AsBytes(digest_)).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(*archive_.Get(AsBytes(later)), "later");
}

TEST_F(EvidenceArchiveTest, KeepsEvidenceThatWasShownAgain) {
  ASSERT_TRUE(archive_.Put(AsBytes(digest_), AsBytes("evidence"), now_).ok());
  ASSERT_TRUE(
      archive_
          .Put(AsBytes(digest_), AsBytes("evidence"), now_ + absl::Minutes(30))
          .ok());
  EXPECT_EQ(*archive_.Prune(now_ + absl::Minutes(61), 100), 1u);
  EXPECT_EQ(*archive_.Get(AsBytes(digest_)), "evidence");
}

TEST_F(EvidenceArchiveTest, ADamagedRowIsPrunedLikeAnyOther) {
  ASSERT_TRUE(archive_.Put(AsBytes(digest_), AsBytes("evidence"), now_).ok());
  WriteBatch batch;
  batch.Put("e" + digest_, "damaged");
  ASSERT_TRUE(engine_.Write(batch, Sync::kNo).ok());
  EXPECT_EQ(archive_.Get(AsBytes(digest_)).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(*archive_.Prune(now_ + absl::Minutes(61), 100), 1u);
  EXPECT_EQ(archive_.Get(AsBytes(digest_)).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(EvidenceArchiveTest, NoticesEvidenceMovedToAnotherDigest) {
  ASSERT_TRUE(archive_.Put(AsBytes(digest_), AsBytes("evidence"), now_).ok());
  const std::string other = crypto::Sha256(AsBytes("other"));
  const std::optional<std::string> sealed = *engine_.Get("e" + digest_);
  WriteBatch batch;
  batch.Put("e" + other, *sealed);
  ASSERT_TRUE(engine_.Write(batch, Sync::kNo).ok());
  EXPECT_EQ(archive_.Get(AsBytes(other)).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(EvidenceArchiveTest, RefusesWhereNothingCanBeKept) {
  EXPECT_TRUE(archive_.health().ok());
  engine_.SetFreeBytes(kArchiveFreeBytesMin - 1);
  EXPECT_EQ(RefusalOf(archive_.Put(AsBytes(digest_), AsBytes("e"), now_)),
            v1::LIMIT_REACHED);
  EXPECT_TRUE(archive_.health().ok());  // Pruning makes room.
  engine_.Fail();
  EvidenceArchive unopened(nullptr, envelope_, absl::Hours(1));
  for (EvidenceArchive* archive : {&archive_, &unopened}) {
    EXPECT_EQ(archive->health().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(archive->Put(AsBytes(digest_), AsBytes("e"), now_).code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(archive->Get(AsBytes(digest_)).status().code(),
              absl::StatusCode::kUnavailable);
    EXPECT_EQ(archive->Prune(now_, 1).status().code(),
              absl::StatusCode::kUnavailable);
  }
}

}  // namespace
}  // namespace kms::storage
