// The faults, one by one, and that a seed repeats itself. What a faultless
// simulated log does is in ../conformance_test.cc.

#include "storage/log/simulated/simulated_log.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kms::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kEpoch = 1;

BatchId Id(uint64_t sequence, uint8_t instance = 1) {
  BatchId id;
  id.instance.bytes.fill(instance);
  id.incarnation = 1;
  id.sequence = sequence;
  return id;
}

class SimulatedLogTest : public testing::Test {
 protected:
  static absl::StatusOr<LogPosition> Append(SharedLog& log, uint64_t sequence,
                                            uint8_t instance = 1) {
    return log.Append(Id(sequence, instance),
                      AsBytes(absl::StrCat(int{instance}, "/", sequence)));
  }

  static std::vector<std::string> Batches(SharedLog& log,
                                          LogPosition after = {}) {
    const auto entries = log.Read(after, 1 << 20, absl::ZeroDuration());
    if (!entries.ok()) return {entries.status().ToString()};
    std::vector<std::string> batches;
    for (const LogEntry& entry : *entries) batches.push_back(entry.batch);
    return batches;
  }

  void StepMany() {
    for (int i = 0; i < 20; ++i) service_.Step();
  }

  SimulatedLog service_{kEpoch, /*seed=*/7};
  std::unique_ptr<SimulatedLogClient> a_ = service_.Attach();
  std::unique_ptr<SimulatedLogClient> b_ = service_.Attach();
};

TEST_F(SimulatedLogTest, AllPeersSeeOneLog) {
  EXPECT_EQ(*Append(*a_, 1, 1), (LogPosition{kEpoch, 1}));
  EXPECT_EQ(*Append(*b_, 1, 2), (LogPosition{kEpoch, 2}));
  EXPECT_THAT(Batches(*a_), ElementsAre("1/1", "2/1"));
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1", "2/1"));
}

TEST_F(SimulatedLogTest, LostAppendNeverArrives) {
  service_.SetFaults({.lose = 1});
  EXPECT_EQ(Append(*a_, 1).status().code(), absl::StatusCode::kUnavailable);
  StepMany();
  EXPECT_THAT(Batches(*a_), IsEmpty());
}

TEST_F(SimulatedLogTest, UnknownOutcomeIsDoneAndARetryFindsIt) {
  service_.SetFaults({.unknown = 1});
  EXPECT_EQ(Append(*a_, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1"));
  service_.SetFaults({});
  EXPECT_EQ(*Append(*a_, 1), (LogPosition{kEpoch, 1}));
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1"));
}

TEST_F(SimulatedLogTest, DelayedAppendArrivesAtALaterStep) {
  service_.SetFaults({.delay = 1, .delay_steps_max = 3});
  EXPECT_EQ(Append(*a_, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Batches(*b_), IsEmpty());
  for (int i = 0; i < 3; ++i) service_.Step();
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1"));
}

TEST_F(SimulatedLogTest, DelayedAppendsMayOvertakeEachOther) {
  service_.SetFaults({.delay = 1, .delay_steps_max = 16});
  std::vector<std::string> sent;
  for (uint64_t i = 1; i <= 20; ++i) {
    EXPECT_EQ(Append(*a_, i).status().code(), absl::StatusCode::kUnavailable);
    sent.push_back(absl::StrCat("1/", i));
  }
  StepMany();
  EXPECT_THAT(Batches(*a_), testing::UnorderedElementsAreArray(sent));
  EXPECT_NE(Batches(*a_), sent);
}

TEST_F(SimulatedLogTest, DuplicateIsHarmlessWhileTheIdIsKnown) {
  service_.SetFaults({.duplicate = 1});
  EXPECT_EQ(*Append(*a_, 1), (LogPosition{kEpoch, 1}));
  StepMany();
  EXPECT_THAT(Batches(*a_), ElementsAre("1/1"));
}

// review.md 1: create-only keys do not protect once the original is gone.
TEST_F(SimulatedLogTest, LateDuplicateAfterATrimAppearsAgain) {
  service_.SetFaults({.duplicate = 1});
  ASSERT_TRUE(Append(*a_, 1).ok());
  service_.SetFaults({});
  ASSERT_TRUE(Append(*a_, 2).ok());
  ASSERT_TRUE(a_->Trim({kEpoch, 1}).ok());
  StepMany();
  EXPECT_THAT(Batches(*a_, {kEpoch, 1}), ElementsAre("1/2", "1/1"));
}

TEST_F(SimulatedLogTest, ResendsWhateverWasEverSent) {
  ASSERT_TRUE(Append(*a_, 1).ok());
  EXPECT_EQ(*service_.Resend(0, Id(1)), (LogPosition{kEpoch, 1}));
  ASSERT_TRUE(a_->Trim({kEpoch, 1}).ok());
  EXPECT_EQ(*service_.Resend(0, Id(1)), (LogPosition{kEpoch, 2}));
  EXPECT_EQ(service_.Resend(0, Id(9)).status().code(),
            absl::StatusCode::kNotFound);
}

// Two processes of one instance may choose the same id for different bytes.
TEST_F(SimulatedLogTest, WhatArrivesUnderAnIdIsWhatThatSenderSent) {
  service_.SetFaults({.lose = 1});
  ASSERT_FALSE(a_->Append(Id(1), AsBytes("lost")).ok());
  service_.SetFaults({});
  ASSERT_TRUE(a_->Append(Id(1), AsBytes("kept")).ok());
  EXPECT_EQ(service_.Entries(0).at(0).batch, "kept");
}

TEST_F(SimulatedLogTest, GapLeavesOutTheFirstEntrySilently) {
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(Append(*a_, i).ok());
  service_.SetFaults({.gap = 1});
  EXPECT_THAT(Batches(*a_), ElementsAre("1/2", "1/3"));
}

TEST_F(SimulatedLogTest, PartitionedPeerReachesNothing) {
  service_.SetPartitioned(a_->peer(), true);
  EXPECT_EQ(Append(*a_, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->Tail().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->Trim({kEpoch, 0}).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->Read({}, 1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(Append(*b_, 1, 2).ok());
  service_.SetPartitioned(a_->peer(), false);
  EXPECT_THAT(Batches(*a_), ElementsAre("2/1"));
}

TEST_F(SimulatedLogTest, RequestOfACrashedPeerStillArrives) {
  service_.SetFaults({.delay = 1});
  EXPECT_EQ(Append(*a_, 1).status().code(), absl::StatusCode::kUnavailable);
  service_.Crash(a_->peer());
  EXPECT_EQ(a_->Tail().status().code(), absl::StatusCode::kUnavailable);
  StepMany();
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1"));
  service_.SetFaults({});
  const auto again = service_.Attach();
  EXPECT_EQ(*Append(*again, 1), (LogPosition{kEpoch, 1}));
}

TEST_F(SimulatedLogTest, UnreachableFaultHitsReadTailAndTrim) {
  service_.SetFaults({.unreachable = 1});
  EXPECT_EQ(a_->Read({}, 1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->Tail().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(a_->Trim({kEpoch, 0}).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Append(*a_, 1).ok());
}

TEST_F(SimulatedLogTest, ShortReadGivesTheFirstEntry) {
  ASSERT_TRUE(Append(*a_, 1).ok());
  ASSERT_TRUE(Append(*a_, 2).ok());
  service_.SetFaults({.short_read = 1});
  EXPECT_THAT(Batches(*a_), ElementsAre("1/1"));
}

TEST_F(SimulatedLogTest, ForkShowsTwoFuturesAndMoveMakesThemCross) {
  ASSERT_TRUE(Append(*a_, 1, 1).ok());
  const size_t copy = service_.Fork({b_->peer()});
  ASSERT_TRUE(Append(*a_, 2, 1).ok());
  ASSERT_TRUE(Append(*b_, 1, 2).ok());
  EXPECT_THAT(Batches(*a_), ElementsAre("1/1", "1/2"));
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1", "2/1"));
  EXPECT_EQ(service_.Entries(copy).size(), 2u);
  service_.MoveTo(b_->peer(), 0);
  EXPECT_THAT(Batches(*b_), ElementsAre("1/1", "1/2"));
}

TEST_F(SimulatedLogTest, RollbackLeavesReadersAheadOfTheLog) {
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(Append(*a_, i).ok());
  service_.Rollback(0, {kEpoch, 1});
  EXPECT_EQ(a_->Read({kEpoch, 3}, 1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_THAT(Batches(*a_), ElementsAre("1/1"));
  // The index is used again, for another batch: what digests must catch.
  EXPECT_EQ(*Append(*b_, 1, 2), (LogPosition{kEpoch, 2}));
}

TEST_F(SimulatedLogTest, RollbackPastATrimGoesBackThere) {
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(Append(*a_, i).ok());
  ASSERT_TRUE(a_->Trim({kEpoch, 2}).ok());
  service_.Rollback(0, {kEpoch, 1});
  EXPECT_EQ(*a_->Tail(), (LogPosition{kEpoch, 1}));
  EXPECT_EQ(*Append(*a_, 9), (LogPosition{kEpoch, 2}));
}

TEST_F(SimulatedLogTest, NewEpochStartsEmptyAndOldReadersMustCopy) {
  ASSERT_TRUE(Append(*a_, 1).ok());
  service_.SetFaults({.delay = 1});
  EXPECT_FALSE(Append(*a_, 2).ok());
  service_.SetFaults({});
  service_.StartEpoch(kEpoch + 1);
  StepMany();
  EXPECT_EQ(*a_->Tail(), (LogPosition{kEpoch + 1, 0}));
  EXPECT_EQ(a_->Read({kEpoch, 1}, 1, absl::ZeroDuration()).status().code(),
            absl::StatusCode::kOutOfRange);
  EXPECT_EQ(*Append(*a_, 3), (LogPosition{kEpoch + 1, 1}));
}

// One run with every fault; returns its trace hash.
uint64_t RunWithEverything(uint64_t seed) {
  SimulatedLog service(kEpoch, seed);
  service.SetFaults({.lose = 0.1,
                     .unknown = 0.1,
                     .delay = 0.1,
                     .duplicate = 0.1,
                     .unreachable = 0.1,
                     .short_read = 0.3});
  const auto log = service.Attach();
  LogPosition applied;
  for (uint64_t i = 1; i <= 200; ++i) {
    log->Append(Id(i), AsBytes(absl::StrCat(i))).status().IgnoreError();
    const auto entries = log->Read(applied, 64, absl::ZeroDuration());
    if (entries.ok() && !entries->empty()) applied = entries->back().position;
    if (i % 50 == 0) log->Trim(applied).IgnoreError();
    service.Step();
  }
  return service.trace_hash();
}

TEST(SimulatedLog, SameSeedGivesTheSameTrace) {
  EXPECT_EQ(RunWithEverything(1), RunWithEverything(1));
  EXPECT_NE(RunWithEverything(1), RunWithEverything(2));
}

// Every append that is retried until it is answered is in the log, once, at
// the answered position, whatever happens on the way.
TEST(SimulatedLog, RetriedAppendsAreInTheLogExactlyOnce) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedLog service(kEpoch, seed);
    service.SetFaults(
        {.lose = 0.2, .unknown = 0.2, .delay = 0.2, .duplicate = 0.2});
    const auto log = service.Attach();
    std::vector<LogPosition> answers;
    for (uint64_t i = 1; i <= 50; ++i) {
      absl::StatusOr<LogPosition> position = absl::UnavailableError("");
      while (!position.ok()) {
        position = log->Append(Id(i), AsBytes(absl::StrCat(i)));
        service.Step();
      }
      answers.push_back(*position);
    }
    for (int i = 0; i < 10; ++i) service.Step();
    const std::vector<LogEntry> entries = service.Entries(0);
    ASSERT_EQ(entries.size(), answers.size()) << "seed " << seed;
    for (uint64_t i = 0; i < answers.size(); ++i) {
      EXPECT_EQ(entries.at(answers[i].index - 1).batch, absl::StrCat(i + 1));
    }
  }
}

}  // namespace
}  // namespace kms::storage
