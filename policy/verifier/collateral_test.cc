#include "policy/verifier/collateral.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kms::policy {
namespace {

CollateralItem Item(const std::string& role, const std::string& subject,
                    const std::string& content) {
  return {role, subject, content, std::string(32, content[0])};
}

TEST(CollateralTest, FindsByRoleAndSubject) {
  const Collateral collateral(
      {Item("crl", "a", "1"), Item("crl", "b", "2"), Item("rim", "a", "3")});
  EXPECT_EQ(collateral.Find("crl", "b")->content, "2");
  EXPECT_EQ(collateral.Find("rim", "a")->content, "3");
  EXPECT_EQ(collateral.Find("rim", "b"), nullptr);
  EXPECT_EQ(collateral.OfRole("crl").size(), 2u);
  EXPECT_TRUE(collateral.OfRole("tcb_info").empty());
}

TEST(CollateralTest, TheLastOfASubjectCounts) {
  const Collateral collateral({Item("crl", "a", "1"), Item("crl", "a", "2")});
  EXPECT_EQ(collateral.Find("crl", "a")->content, "2");
  EXPECT_EQ(collateral.OfRole("crl").size(), 1u);
}

TEST(CollateralTest, DigestNamesTheSet) {
  const Collateral one({Item("crl", "a", "1"), Item("crl", "b", "2")});
  const Collateral same({Item("crl", "b", "2"), Item("crl", "a", "1")});
  const Collateral other({Item("crl", "a", "1"), Item("crl", "b", "3")});
  EXPECT_EQ(one.digest(), same.digest());
  EXPECT_NE(one.digest(), other.digest());
  EXPECT_NE(one.digest(), Collateral(std::vector<CollateralItem>()).digest());
}

}  // namespace
}  // namespace kms::policy
