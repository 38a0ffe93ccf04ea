#include "storage/state/batch_codec.h"

#include <bit>

#include "gtest/gtest.h"
#include "proto/kms/v1/audit_entry.pb.h"
#include "storage/state/state_fixture.h"

namespace kms::storage {
namespace {

TEST(BatchCodecTest, PaddedBatchesComeBackAndSealToPowersOfTwo) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{974}, size_t{975},
                            size_t{976}, size_t{5000}, kSignedBatchBytesMax}) {
    const std::string batch(size, 'b');
    const auto padded = PadBatch(batch);
    ASSERT_TRUE(padded.ok()) << padded.status();
    EXPECT_TRUE(std::has_single_bit(padded->size() + kEnvelopeOverhead));
    EXPECT_GE(padded->size() + kEnvelopeOverhead, kSealedBatchBytesMin);
    EXPECT_LE(padded->size() + kEnvelopeOverhead, kBatchBytesMax);
    const auto unpadded = UnpadBatch(*padded);
    ASSERT_TRUE(unpadded.ok()) << unpadded.status();
    EXPECT_EQ(*unpadded, absl::string_view(batch));
  }
}

TEST(BatchCodecTest, RefusesABatchTooLargeToPad) {
  EXPECT_EQ(
      PadBatch(std::string(kSignedBatchBytesMax + 1, 'b')).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(BatchCodecTest, RefusesOtherPaddings) {
  const std::string good = *PadBatch("batch");
  for (const auto& bad :
       {std::string(), good.substr(1), good + std::string(1, '\0'),
        good + std::string(good.size() + kEnvelopeOverhead, '\0'),
        good.substr(0, good.size() - 1) + "x",
        std::string("\xff\xff\xff\xff", 4) + good.substr(4)}) {
    EXPECT_EQ(UnpadBatch(bad).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(BatchCodecTest, FindsUnknownFieldsAndEnumValuesAtAnyDepth) {
  StateFixture fixture;
  Command command = fixture.PutPolicy("p");
  EXPECT_FALSE(HasUnknown(command));
  command.mutable_put_policy()
      ->mutable_terms()
      ->GetReflection()
      ->MutableUnknownFields(command.mutable_put_policy()->mutable_terms())
      ->AddVarint(99, 1);
  EXPECT_TRUE(HasUnknown(command));

  Command state =
      fixture.SetKeyVersionState(TestId(1), 1, ::storage::v1::DISABLED);
  EXPECT_FALSE(HasUnknown(state));
  state.mutable_set_key_version_state()->set_state(
      static_cast<::storage::v1::KeyVersionState>(77));
  EXPECT_TRUE(HasUnknown(state));

  Command counts = fixture.NewCommand();
  auto& count = *counts.mutable_count_refusals()->add_counts();
  count.set_code(v1::POLICY_DENIED);
  EXPECT_FALSE(HasUnknown(counts));
  count.set_code(static_cast<v1::RefusalCode>(9999));
  EXPECT_TRUE(HasUnknown(counts));
}

}  // namespace
}  // namespace kms::storage
