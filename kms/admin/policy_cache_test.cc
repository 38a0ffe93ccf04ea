#include "kms/admin/policy_cache.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "kms/crypto/digest.h"

namespace kms::admin {
namespace {

std::string Document(absl::string_view message) {
  return absl::StrCat(
      "name: p\n"
      "evidence: [{type: sev-snp, count: 1}]\n"
      "rules: [{id: r, expr: \"true\", message: ",
      message,
      "}]\n"
      "release: {lease: 1h}\n");
}

TEST(PolicyCache, CompilesADocumentOnce) {
  PolicyCache cache;
  const std::string document = Document("m");
  const auto first = cache.Get("default", "p", 1, AsBytes(document));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->source_digest, crypto::Sha256(AsBytes(document)));
  const auto second = cache.Get("default", "p", 1, AsBytes(document));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->policy.get(), first->policy.get());
}

TEST(PolicyCache, KeepsApartWhatDiffersInAnything) {
  PolicyCache cache;
  const std::string document = Document("m");
  const std::string other = Document("n");
  const auto first = cache.Get("default", "p", 1, AsBytes(document));
  ASSERT_TRUE(first.ok());
  const absl::StatusOr<CachedPolicy> others[] = {
      cache.Get("tenant", "p", 1, AsBytes(document)),
      cache.Get("default", "q", 1, AsBytes(document)),
      cache.Get("default", "p", 2, AsBytes(document)),
      // The same version with another document: a restored cluster.
      cache.Get("default", "p", 1, AsBytes(other))};
  for (const auto& entry : others) {
    ASSERT_TRUE(entry.ok()) << entry.status();
    EXPECT_NE(entry->policy.get(), first->policy.get());
  }
  EXPECT_EQ(others[3]->policy->rules()[0].message, "n");
}

TEST(PolicyCache, DropsTheLeastRecentlyUsed) {
  PolicyCache cache(2);
  const std::string document = Document("m");
  const auto one = cache.Get("default", "p", 1, AsBytes(document));
  const auto two = cache.Get("default", "p", 2, AsBytes(document));
  // Makes 2 the oldest, then pushes it out.
  ASSERT_TRUE(cache.Get("default", "p", 1, AsBytes(document)).ok());
  ASSERT_TRUE(cache.Get("default", "p", 3, AsBytes(document)).ok());
  EXPECT_EQ(cache.Get("default", "p", 1, AsBytes(document))->policy.get(),
            one->policy.get());
  // `two` keeps the dropped policy alive, so an equal address would be its own.
  EXPECT_NE(cache.Get("default", "p", 2, AsBytes(document))->policy.get(),
            two->policy.get());
}

TEST(PolicyCache, DoesNotRememberWhatDoesNotCompile) {
  PolicyCache cache(1);
  const std::string document = Document("m");
  const auto first = cache.Get("default", "p", 1, AsBytes(document));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(
      RefusalOf(cache.Get("default", "p", 2, AsBytes("name: [")).status()),
      v1::POLICY_INVALID);
  EXPECT_EQ(cache.Get("default", "p", 1, AsBytes(document))->policy.get(),
            first->policy.get());
}

}  // namespace
}  // namespace kms::admin
