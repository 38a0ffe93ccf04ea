#include "kms/seal/share.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

Share ExampleShare() {
  Share share;
  share.cluster_prefix = "\x01\x02\x03\x04\x05\x06\x07\x08";
  share.ceremony_id = "ceremony";
  share.index = 3;
  share.threshold = 2;
  std::string data;
  for (int i = 0; i < 32; ++i) data.push_back(static_cast<char>(7 * i + 1));
  share.data = *Secret::CopyOf(AsBytes(data), GrantSecretAccess());
  return share;
}

std::string Text(const Share& share) {
  const absl::StatusOr<Secret> text = PrintShare(share);
  return std::string(ToString(text.value().Expose(GrantSecretAccess())));
}

void ExpectRejected(const std::string& text) {
  const auto share = ParseShare(text);
  ASSERT_FALSE(share.ok());
  EXPECT_EQ(RefusalOf(share.status()), v1::SHARE_REJECTED) << share.status();
  EXPECT_EQ(share.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ShareTest, ReadsBackWhatItPrinted) {
  const std::string text = Text(ExampleShare());
  EXPECT_EQ(text.size(), 114u);
  EXPECT_EQ(text.substr(0, 5), "kms1-");
  const auto share = ParseShare(text);
  ASSERT_TRUE(share.ok()) << share.status();
  EXPECT_EQ(share->cluster_prefix, ExampleShare().cluster_prefix);
  EXPECT_EQ(share->ceremony_id, "ceremony");
  EXPECT_EQ(share->index, 3);
  EXPECT_EQ(share->threshold, 2);
  EXPECT_TRUE(share->data == ExampleShare().data);
  EXPECT_EQ(Text(*share), text);
}

TEST(ShareTest, UsesTheBase32AlphabetOfRfc4648) {
  // base32(01 02 03 04 05 06 07 08 "ce"), by another implementation.
  EXPECT_EQ(Text(ExampleShare()).substr(5, 19), "aeba-gbaf-aydq-qy3f");
}

TEST(ShareTest, AcceptsTheWaysPeopleCopyText) {
  const std::string text = Text(ExampleShare());
  EXPECT_TRUE(ParseShare(absl::AsciiStrToUpper(text)).ok());
  EXPECT_TRUE(ParseShare(absl::StrReplaceAll(text, {{"-", " "}})).ok());
  EXPECT_TRUE(ParseShare(absl::StrReplaceAll(text, {{"-", ""}})).ok());
  EXPECT_TRUE(ParseShare("  " + text + "\r\n").ok());
}

TEST(ShareTest, EveryChangedCharacterIsNoticed) {
  const std::string text = Text(ExampleShare());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') continue;
    std::string changed = text;
    changed[i] = text[i] == 'q' ? 'r' : 'q';
    ExpectRejected(changed);
    changed[i] = '1';  // Not in the alphabet; also changes "kms1".
    if (changed != text) ExpectRejected(changed);
  }
}

TEST(ShareTest, EverySwapOfNeighboursIsNoticed) {
  const std::string text = Text(ExampleShare());
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == text[i + 1] || text[i] == '-' || text[i + 1] == '-') {
      continue;
    }
    std::string changed = text;
    std::swap(changed[i], changed[i + 1]);
    ExpectRejected(changed);
  }
}

TEST(ShareTest, EveryTruncationAndExtensionIsRejected) {
  const std::string text = Text(ExampleShare());
  for (size_t size = 0; size < text.size(); ++size) {
    ExpectRejected(text.substr(0, size));
  }
  ExpectRejected(text + "a");
  ExpectRejected(text + text);
}

TEST(ShareTest, RefusesTextOverTheBound) {
  ExpectRejected(Text(ExampleShare()) + std::string(kShareTextBytesMax, ' '));
}

TEST(ShareTest, RefusesIndexZeroWhichWouldBeTheRootKeyItself) {
  Share share = ExampleShare();
  share.index = 0;
  ExpectRejected(Text(share));
  share.index = kSharesMax + 1;
  ExpectRejected(Text(share));
}

TEST(ShareTest, RefusesThresholdsThatCannotBe) {
  Share share = ExampleShare();
  share.threshold = 0;
  ExpectRejected(Text(share));
  share.threshold = kSharesMax + 1;
  ExpectRejected(Text(share));
}

TEST(ShareTest, MessagesRepeatNothingOfTheShare) {
  const std::string text = Text(ExampleShare());
  std::string changed = text;
  changed.back() = changed.back() == 'a' ? 'b' : 'a';
  const std::string message(ParseShare(changed).status().message());
  for (size_t i = 5; i + 4 <= text.size(); i += 5) {
    EXPECT_EQ(message.find(text.substr(i, 4)), std::string::npos);
  }
}

}  // namespace
}  // namespace kms::seal
