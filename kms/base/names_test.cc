#include "kms/base/names.h"

#include <string>

#include "gtest/gtest.h"
#include "kms/base/refusal.h"

namespace kms {
namespace {

using namespace std::string_literals;

TEST(Names, AcceptsEveryByteOfTheAlphabet) {
  EXPECT_TRUE(CheckKeyName("abcdefghijklmnopqrstuvwxyz0123456789._-").ok());
  EXPECT_TRUE(CheckKeyName("0").ok());
  EXPECT_TRUE(CheckKeyName("_").ok());
}

TEST(Names, RefusesPathsCaseUnicodeAndControlBytes) {
  const std::string bad[] = {
      "",     ".",           "..",           "../a", "a/../b", "/a",
      "a/b",  "A",           "weightS",      " a",   "a ",     "a\tb",
      "a\n",  "a\0b"s,       "a*",           "a?",   "-a",     ".a",
      "a%2e", "caf\xc3\xa9", "\xef\xbd\x81", "a\\b", "{a}",    "\xff"};
  for (const std::string& name : bad) {
    EXPECT_EQ(RefusalOf(CheckKeyName(name)), v1::REQUEST_MALFORMED) << name;
    EXPECT_EQ(RefusalOf(CheckPolicyName(name)), v1::REQUEST_MALFORMED) << name;
    EXPECT_EQ(RefusalOf(CheckAnchorName(name)), v1::REQUEST_MALFORMED) << name;
    if (name.empty()) continue;
    EXPECT_EQ(RefusalOf(ResolveNamespace(name).status()), v1::REQUEST_MALFORMED)
        << name;
  }
}

TEST(Names, HoldsEachKindToItsOwnSize) {
  EXPECT_TRUE(CheckKeyName(std::string(128, 'a')).ok());
  EXPECT_EQ(RefusalOf(CheckKeyName(std::string(129, 'a'))),
            v1::REQUEST_TOO_LARGE);
  EXPECT_TRUE(CheckPolicyName(std::string(64, 'a')).ok());
  EXPECT_EQ(RefusalOf(CheckPolicyName(std::string(65, 'a'))),
            v1::REQUEST_TOO_LARGE);
  EXPECT_TRUE(CheckAnchorName(std::string(64, 'a')).ok());
  EXPECT_EQ(RefusalOf(CheckAnchorName(std::string(65, 'a'))),
            v1::REQUEST_TOO_LARGE);
  EXPECT_TRUE(ResolveNamespace(std::string(64, 'a')).ok());
  EXPECT_EQ(RefusalOf(ResolveNamespace(std::string(65, 'a')).status()),
            v1::REQUEST_TOO_LARGE);
}

TEST(Names, OnlyTheEmptyNamespaceMeansTheDefault) {
  EXPECT_EQ(*ResolveNamespace(""), "default");
  EXPECT_EQ(*ResolveNamespace("default"), "default");
  EXPECT_EQ(*ResolveNamespace("tenant-1"), "tenant-1");
}

TEST(Names, RefusalsRepeatNothingOfTheName) {
  const absl::Status refused = CheckKeyName("SECRET-NAME");
  EXPECT_EQ(std::string(refused.message()).find("SECRET"), std::string::npos);
}

}  // namespace
}  // namespace kms
