#include "kms/release/transcript.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace kms::release {
namespace {

Transcript Sample() {
  return {.domain = kReleaseDomain,
          .cluster_id = AsBytes("0123456789abcdef"),
          .challenge = AsBytes("challenge"),
          .kem_id = 0x20,
          .recipient_public_key = AsBytes("recipient"),
          .request = AsBytes("request")};
}

TEST(TranscriptDigest, IsTheDocumentedHash) {
  // Computed outside this program: sha512 over length-prefixed fields.
  EXPECT_EQ(Hex(TranscriptDigest(Sample())),
            "a6abe4975a2acb7e808405350d2e1e1cf11a65583743746499f14e397f03602f"
            "0cc920b66195c99a3e580b95ee62ee7672e5a539a4d9d98b90f0767d1520d0b9");
}

TEST(TranscriptDigest, DependsOnEveryField) {
  std::set<std::string> digests = {TranscriptDigest(Sample())};
  Transcript t = Sample();
  t.domain = kJoinDomain;
  digests.insert(TranscriptDigest(t));
  t = Sample();
  t.cluster_id = AsBytes("0123456789abcdeg");
  digests.insert(TranscriptDigest(t));
  t = Sample();
  t.challenge = AsBytes("challengf");
  digests.insert(TranscriptDigest(t));
  t = Sample();
  t.kem_id = 0x10;
  digests.insert(TranscriptDigest(t));
  t = Sample();
  t.recipient_public_key = AsBytes("recipienu");
  digests.insert(TranscriptDigest(t));
  t = Sample();
  t.request = AsBytes("requesu");
  digests.insert(TranscriptDigest(t));
  EXPECT_EQ(digests.size(), 7u);
}

// threats.md G6: (a, b) and (a', b') with the same concatenation.
TEST(TranscriptDigest, KeepsFieldBordersApart) {
  Transcript a = Sample();
  a.recipient_public_key = AsBytes("recipientr");
  a.request = AsBytes("equest");
  EXPECT_NE(TranscriptDigest(a), TranscriptDigest(Sample()));
}

TEST(WrappedKeyAad, DependsOnEveryField) {
  const BytesView cluster = AsBytes("0123456789abcdef");
  const BytesView key = AsBytes("fedcba9876543210");
  const std::set<std::string> all = {
      WrappedKeyAad(cluster, key, 1, 2), WrappedKeyAad(key, key, 1, 2),
      WrappedKeyAad(cluster, cluster, 1, 2), WrappedKeyAad(cluster, key, 2, 2),
      WrappedKeyAad(cluster, key, 1, 3)};
  EXPECT_EQ(all.size(), 5u);
}

}  // namespace
}  // namespace kms::release
