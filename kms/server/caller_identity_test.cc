#include "kms/server/caller_identity.h"

#include <string>

#include "gtest/gtest.h"
#include "kms/server/peer_network.h"

namespace kms::server {
namespace {

TEST(CallerIdentityTest, WithoutAVerifiedCertificateNobodyAdministers) {
  const Caller caller = CallerIdentity({}).Identify(
      {.verified = false, .uris = {"spiffe://a"}, .common_name = "alice"},
      "192.0.2.1");
  EXPECT_FALSE(caller.administrator);
  EXPECT_EQ(caller.principal, "");
  EXPECT_EQ(caller.peer, "192.0.2.1");
}

TEST(CallerIdentityTest, WithoutAListEveryCertificateOfTheCaAdministers) {
  const CallerIdentity identity({});
  const Caller named =
      identity.Identify({.verified = true, .common_name = "alice"}, "");
  EXPECT_TRUE(named.administrator);
  EXPECT_EQ(named.principal, "alice");
  const Caller uri = identity.Identify(
      {.verified = true, .uris = {"spiffe://a"}, .common_name = "alice"}, "");
  EXPECT_EQ(uri.principal, "spiffe://a");
}

TEST(CallerIdentityTest, AListAdmitsItsNamesOnly) {
  const CallerIdentity identity({"alice", "spiffe://b"});
  EXPECT_TRUE(identity.Identify({.verified = true, .common_name = "alice"}, "")
                  .administrator);
  const Caller second = identity.Identify(
      {.verified = true, .uris = {"spiffe://a", "spiffe://b"}}, "");
  EXPECT_TRUE(second.administrator);
  EXPECT_EQ(second.principal, "spiffe://b");
  for (const char* name : {"bob", "alice ", "Alice", "alic", ""}) {
    EXPECT_FALSE(identity.Identify({.verified = true, .common_name = name}, "")
                     .administrator)
        << name;
  }
}

TEST(CallerIdentityTest, NamesThatCannotBeRecordedAreNone) {
  const CallerIdentity identity({});
  for (const std::string& name :
       {std::string(), std::string(129, 'a'), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(identity.Identify({.verified = true, .common_name = name}, "")
                     .administrator);
  }
  EXPECT_TRUE(
      identity
          .Identify({.verified = true, .common_name = std::string(128, 'a')},
                    "")
          .administrator);
}

TEST(PeerNetworkTest, LeavesOutThePortAndTheLowHalfOfIpv6) {
  EXPECT_EQ(PeerNetwork("ipv4:192.0.2.1:4711"), "192.0.2.1");
  EXPECT_EQ(PeerNetwork("ipv6:[2001:db8:1:2:3:4:5:6]:4711"),
            "2001:db8:1:2::/64");
  EXPECT_EQ(PeerNetwork("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:4711"),
            "2001:db8:1:2::/64");
  EXPECT_EQ(PeerNetwork("ipv6:[fe80::1%25eth0]:4711"), "fe80::/64");
  EXPECT_EQ(PeerNetwork("ipv6:[::ffff:192.0.2.1]:4711"), "192.0.2.1");
}

TEST(PeerNetworkTest, WhatItCannotReadSharesOneName) {
  for (const char* peer : {"", "unix:/run/x", "ipv4:", "ipv4:x:1", "ipv6:::1:1",
                           "ipv6:[zz]:1", "ipv4:192.0.2.1"}) {
    EXPECT_EQ(PeerNetwork(peer), "other") << peer;
  }
}

}  // namespace
}  // namespace kms::server
