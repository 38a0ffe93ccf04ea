// What the mirror client asks for, when, and what it makes of the answers; on
// a clock that stands still, with a server that does as each test says.
#include "kms/collateral/mirror.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "kms/base/refusal.h"
#include "policy/collateral/limits.h"

namespace kms::collateral {
namespace {

class FakeFetcher : public Fetcher {
 public:
  absl::StatusOr<FetchResponse> Fetch(const FetchRequest& request) override {
    requests.push_back(request);
    if (blocked != nullptr) blocked->WaitForNotification();
    const auto found = files.find(request.path);
    if (found == files.end()) {
      return absl::NotFoundError("mirror: no such file");
    }
    if (!found->second.ok()) return found->second.status();
    const std::string etag = absl::StrCat("\"", found->second->size(), "\"");
    if (etags && request.etag == etag) return FetchResponse{true, "", etag};
    return FetchResponse{false, *found->second, etags ? etag : ""};
  }

  int Asked(const std::string& path) const {
    int asked = 0;
    for (const FetchRequest& request : requests) asked += request.path == path;
    return asked;
  }

  std::map<std::string, absl::StatusOr<std::string>> files;
  std::vector<FetchRequest> requests;
  bool etags = true;
  absl::Notification* blocked = nullptr;
};

class MirrorTest : public testing::Test {
 protected:
  MirrorTest() {
    Index(R"({"collateral": [
        {"kind": "crl", "files": ["amd/ark.crl", "amd/ark.pem"]},
        {"kind": "rim", "files": ["rim/driver.xml"]}]})");
    fetcher_.files["amd/ark.crl"] = "a crl";
    fetcher_.files["amd/ark.pem"] = "its issuer";
    fetcher_.files["rim/driver.xml"] = "a manifest";
  }

  void Index(const std::string& json) {
    fetcher_.files["collateral.json"] = json;
  }
  MirrorOptions Options() {
    MirrorOptions options;
    options.fetcher = &fetcher_;
    options.clock = &clock_;
    options.import =
        [this](
            policy::CollateralKind kind,
            const std::vector<std::string>& files) -> absl::StatusOr<uint32_t> {
      imports_.emplace_back(kind, files);
      if (!import_fault_.ok()) return import_fault_;
      // As the state does: what is there already is no change.
      const bool changed = stored_[files[0]] != files;
      stored_[files[0]] = files;
      return changed ? 1 : 0;
    };
    options.tell = [this](absl::string_view subject,
                          const absl::Status& status) {
      told_.emplace_back(std::string(subject), status.code());
    };
    options.random = [this] { return random_; };
    options.interval = absl::Hours(1);
    return options;
  }
  // Past whatever is scheduled after a success.
  void AnInterval() { clock_.Advance(absl::Minutes(67)); }

  using Told = std::vector<std::pair<std::string, absl::StatusCode>>;

  ManualClock clock_{absl::FromUnixSeconds(1'750'000'000)};
  FakeFetcher fetcher_;
  double random_ = 0.5;
  absl::Status import_fault_;
  std::vector<std::pair<policy::CollateralKind, std::vector<std::string>>>
      imports_;
  std::map<std::string, std::vector<std::string>> stored_;
  Told told_;
  Mirror mirror_{Options()};
};

TEST_F(MirrorTest, ImportsWhatTheIndexNames) {
  mirror_.Poll();
  ASSERT_EQ(imports_.size(), 2u);
  EXPECT_EQ(imports_[0].first, policy::CollateralKind::kCrl);
  EXPECT_EQ(imports_[0].second,
            (std::vector<std::string>{"a crl", "its issuer"}));
  EXPECT_EQ(imports_[1].first, policy::CollateralKind::kRim);
  EXPECT_EQ(told_, (Told{{"amd/ark.crl", absl::StatusCode::kOk},
                         {"rim/driver.xml", absl::StatusCode::kOk}}));
}

TEST_F(MirrorTest, AsksOncePerInterval) {
  mirror_.Poll();
  const size_t asked = fetcher_.requests.size();
  clock_.Advance(absl::Minutes(53));
  mirror_.Poll();
  EXPECT_EQ(fetcher_.requests.size(), asked);
  EXPECT_EQ(mirror_.NextDue(), clock_.Now() + absl::Minutes(7));
  clock_.Advance(absl::Minutes(7));
  mirror_.Poll();
  EXPECT_EQ(fetcher_.requests.size(), 2 * asked);
}

TEST_F(MirrorTest, WhatDidNotChangeIsNotSentAgainAndNotTold) {
  mirror_.Poll();
  told_.clear();
  AnInterval();
  mirror_.Poll();
  EXPECT_EQ(fetcher_.requests.back().etag, "\"10\"");
  EXPECT_EQ(imports_.size(), 4u);
  EXPECT_EQ(imports_[2], imports_[0]);
  EXPECT_EQ(told_, Told());
  // Nor where the server gives no ETags.
  fetcher_.etags = false;
  AnInterval();
  mirror_.Poll();
  EXPECT_EQ(told_, Told());
  fetcher_.files["rim/driver.xml"] = "a newer manifest";
  AnInterval();
  mirror_.Poll();
  EXPECT_EQ(told_, (Told{{"rim/driver.xml", absl::StatusCode::kOk}}));
}

TEST_F(MirrorTest, AFileOfTwoEntriesIsFetchedOnceARound) {
  Index(R"({"collateral": [
      {"kind": "crl", "files": ["amd/ark.crl", "amd/ark.pem"]},
      {"kind": "cert-chain", "files": ["amd/ark.pem"]}]})");
  mirror_.Poll();
  EXPECT_EQ(imports_.size(), 2u);
  EXPECT_EQ(fetcher_.Asked("amd/ark.pem"), 1);
}

TEST_F(MirrorTest, CallersAtOnceShareOneRound) {
  absl::Notification go;
  fetcher_.blocked = &go;
  std::thread first([this] { mirror_.Poll(); });
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([this] { mirror_.Poll(); });
  }
  go.Notify();
  first.join();
  for (std::thread& other : others) other.join();
  EXPECT_EQ(fetcher_.Asked("collateral.json"), 1);
  EXPECT_EQ(imports_.size(), 2u);
}

TEST_F(MirrorTest, FailuresOfOneEntryDelayNoOther) {
  fetcher_.files["amd/ark.crl"] = absl::UnavailableError("stalls");
  mirror_.Poll();
  ASSERT_EQ(imports_.size(), 1u);
  EXPECT_EQ(imports_[0].first, policy::CollateralKind::kRim);
  EXPECT_EQ(told_, (Told{{"amd/ark.crl", absl::StatusCode::kUnavailable},
                         {"rim/driver.xml", absl::StatusCode::kOk}}));
}

TEST_F(MirrorTest, DelaysDoubleUpToABound) {
  fetcher_.files["amd/ark.crl"] = absl::UnavailableError("stalls");
  random_ = 0;  // The least: half of each delay.
  mirror_.Poll();
  absl::Duration want = kMirrorRetryMin / 2;
  for (int failure = 1; failure <= 14; ++failure) {
    const absl::Time failed = clock_.Now();
    // Other things may be due before it.
    while (fetcher_.Asked("amd/ark.crl") == failure) {
      clock_.Set(std::max(mirror_.NextDue(), clock_.Now()));
      mirror_.Poll();
    }
    EXPECT_EQ(clock_.Now() - failed, want) << failure;
    want = std::min(want * 2, kMirrorRetryMax / 2);
  }
}

TEST_F(MirrorTest, JitterSpreadsWithinItsBounds) {
  fetcher_.files["collateral.json"] = absl::UnavailableError("down");
  random_ = 0.999;
  mirror_.Poll();
  const absl::Duration delay = mirror_.NextDue() - clock_.Now();
  EXPECT_GT(delay, kMirrorRetryMin * 0.99);
  EXPECT_LE(delay, kMirrorRetryMin);
}

TEST_F(MirrorTest, ALieIsAFailureLikeAnyOther) {
  import_fault_ = Refuse(v1::SIGNATURE_INVALID, "rim: not signed");
  mirror_.Poll();
  EXPECT_EQ(imports_.size(), 2u);
  clock_.Advance(absl::Seconds(1));
  mirror_.Poll();
  EXPECT_EQ(imports_.size(), 2u);  // Not at once again.
  import_fault_ = absl::OkStatus();
  clock_.Advance(kMirrorRetryMin);
  mirror_.Poll();
  EXPECT_EQ(imports_.size(), 4u);
}

TEST_F(MirrorTest, OlderDataIsAFailureToo) {
  mirror_.Poll();
  import_fault_ = Refuse(v1::COLLATERAL_OLDER, "older");
  AnInterval();
  mirror_.Poll();
  EXPECT_EQ(told_.back().second, absl::StatusCode::kFailedPrecondition);
  EXPECT_LE(mirror_.NextDue(), clock_.Now() + kMirrorRetryMin);
}

TEST_F(MirrorTest, ABadIndexLeavesTheLastGoodOne) {
  mirror_.Poll();
  Index("{");
  AnInterval();
  mirror_.Poll();
  EXPECT_EQ(imports_.size(), 4u);
  EXPECT_EQ(told_.back().first, "collateral.json");
  EXPECT_EQ(told_.back().second, absl::StatusCode::kInvalidArgument);
}

TEST_F(MirrorTest, NotModifiedWithoutACopyIsNoAnswer) {
  class Liar : public Fetcher {
   public:
    absl::StatusOr<FetchResponse> Fetch(const FetchRequest&) override {
      return FetchResponse{true, "", "\"x\""};
    }
  };
  Liar liar;
  MirrorOptions options = Options();
  options.fetcher = &liar;
  Mirror mirror(options);
  mirror.Poll();
  EXPECT_EQ(told_, (Told{{"collateral.json", absl::StatusCode::kUnavailable}}));
}

TEST_F(MirrorTest, AsksForNoMoreThanFits) {
  mirror_.Poll();
  for (const FetchRequest& request : fetcher_.requests) {
    EXPECT_EQ(request.bytes_max, request.path == "collateral.json"
                                     ? kMirrorIndexBytesMax
                                     : policy::kCollateralFileBytesMax);
  }
}

TEST(MirrorIndexTest, ReadsKindsAndFiles) {
  const auto index = ParseMirrorIndex(
      R"({"collateral": [{"files": ["a/b-1_2.json"], "kind": "tcb-info"}]})");
  ASSERT_TRUE(index.ok()) << index.status();
  ASSERT_EQ(index->size(), 1u);
  EXPECT_EQ((*index)[0].kind, policy::CollateralKind::kTcbInfo);
  EXPECT_EQ((*index)[0].files, std::vector<std::string>{"a/b-1_2.json"});
  EXPECT_TRUE(ParseMirrorIndex(R"({"collateral": []})")->empty());
}

TEST(MirrorIndexTest, RefusesWhatIsNone) {
  for (const std::string& json : std::vector<std::string>{
           "", "[]", "{", "null", R"({"collateral": {}})",
           R"({"collateral": [], "url": "https://elsewhere/"})",
           R"({"collateral": [{"kind": "crl"}]})",
           R"({"collateral": [{"kind": "crl", "files": []}]})",
           R"({"collateral": [{"kind": "keys", "files": ["a"]}]})",
           R"({"collateral": [{"kind": "crl", "files": [1]}]})",
           R"({"collateral": [{"kind": "crl", "files": ["a"], "x": 1}]})",
           std::string(100000, '['), "{\"collateral\": [[[[[[[]]]]]]]}",
           std::string(kMirrorIndexBytesMax + 1, ' ')}) {
    EXPECT_EQ(ParseMirrorIndex(json).status().code(),
              absl::StatusCode::kInvalidArgument)
        << json.substr(0, 60);
  }
}

TEST(MirrorIndexTest, StaysInItsFolder) {
  for (const char* path : {"a", "a.b", "a/b/c.crl", "A_1-2"}) {
    EXPECT_TRUE(ValidMirrorPath(path)) << path;
  }
  for (const std::string& path : std::vector<std::string>{
           "",       "/a",   "a/",  "a//b",  "..",
           "a/../b", ".",    "./a", "a/.b",  "https://x/",
           "//x/a",  "a?b",  "a#b", "a%2fb", "a b",
           "a\\b",   "a\nb", "a@b", "a:1",   std::string(257, 'a')}) {
    EXPECT_FALSE(ValidMirrorPath(path)) << path;
  }
}

// What a mirror serves decides how much a round fetches, not how much of it is
// held at once or kept until the next one.
TEST_F(MirrorTest, HoldsAndKeepsNoMoreThanItsBound) {
  constexpr size_t kFileBytes = policy::kCollateralFileBytesMax;
  constexpr size_t kWithin = kMirrorKeptBytesMax / kFileBytes;
  constexpr size_t kFiles = kWithin + 8;
  const auto list = [&](const std::string& folder) {
    std::string entries;
    // Each file in two entries.
    for (const char* kind : {"crl", "cert-chain"}) {
      for (size_t i = 0; i < kFiles; ++i) {
        const std::string path = absl::StrCat(folder, "/", i);
        fetcher_.files[path] = std::string(kFileBytes, 'x');
        absl::StrAppend(&entries, entries.empty() ? "" : ",", "{\"kind\": \"",
                        kind, "\", \"files\": [\"", path, "\"]}");
      }
    }
    Index(absl::StrCat("{\"collateral\": [", entries, "]}"));
  };
  MirrorOptions options = Options();
  options.import = [](policy::CollateralKind, const std::vector<std::string>&) {
    return absl::StatusOr<uint32_t>(0);
  };
  Mirror mirror(options);
  const auto poll = [&](const std::string& folder) {
    fetcher_.requests.clear();
    mirror.Poll();
    AnInterval();
    size_t once = 0, known = 0;
    for (size_t i = 0; i < kFiles; ++i) {
      once += fetcher_.Asked(absl::StrCat(folder, "/", i)) == 1 ? 1 : 0;
    }
    for (const FetchRequest& request : fetcher_.requests) {
      known += request.etag.empty() || request.path == kMirrorIndexPath ? 0 : 1;
    }
    return std::pair(once, known);
  };
  list("a");
  // The paths and the index take some bytes as well. A file that was not held
  // is asked for twice, by then as one that is kept.
  const auto [once, known] = poll("a");
  EXPECT_EQ(once, kWithin - 1);
  EXPECT_EQ(known, 0u);
  EXPECT_EQ(poll("a").second, kWithin - 1);
  // What is no longer listed makes room.
  list("bb");
  poll("bb");
  EXPECT_EQ(poll("bb").second, kWithin - 1);
}

}  // namespace
}  // namespace kms::collateral
