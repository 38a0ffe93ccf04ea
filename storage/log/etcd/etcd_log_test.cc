// The log on a real etcd, and on one that lies: what conformance_test.cc does
// not ask of every implementation.
#include "storage/log/etcd/etcd_log.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kms/base/refusal.h"
#include "proto/etcd/server.grpc.pb.h"
#include "storage/log/etcd/limits.h"
#include "storage/log/etcd/lying_etcd.h"
#include "storage/log/etcd/queries.h"
#include "storage/log/etcd/testing.h"

namespace kms::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kEpoch = 1;
constexpr size_t kAll = size_t{1} << 30;

BatchId Id(uint64_t sequence, uint8_t instance = 1) {
  BatchId id;
  id.instance.bytes.fill(instance);
  id.incarnation = 1;
  id.sequence = sequence;
  return id;
}

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class EtcdLogTest : public testing::Test {
 protected:
  static TestEtcd& Etcd() {
    static TestEtcd etcd;
    return etcd;
  }

  EtcdLogOptions Options(EtcdEndpoints endpoints) const {
    return {std::move(endpoints), prefix_};
  }
  EtcdLogOptions Options() const { return Options(Etcd().endpoints()); }

  std::unique_ptr<EtcdLog> Create(const EtcdLogOptions& options,
                                  uint64_t epoch = kEpoch) {
    auto log = EtcdLog::Create(options, epoch, Soon());
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }
  std::unique_ptr<EtcdLog> Open(const EtcdLogOptions& options) {
    auto log = EtcdLog::Open(options, Soon());
    EXPECT_TRUE(log.ok()) << log.status();
    return *std::move(log);
  }

  // A begun log with entries 1 to `count`.
  std::unique_ptr<EtcdLog> Filled(uint64_t count) {
    auto log = Create(Options());
    for (uint64_t i = 1; i <= count; ++i) EXPECT_EQ(Append(*log, i), i);
    return log;
  }

  // The index; repeats, as proposers do, while the outcome is unknown.
  static uint64_t Append(SharedLog& log, uint64_t sequence,
                         uint8_t instance = 1) {
    const absl::Time until = Soon();
    absl::StatusOr<LogPosition> position;
    do {
      position = log.Append(Id(sequence, instance),
                            AsBytes(absl::StrCat("batch ", sequence)));
    } while (absl::IsUnavailable(position.status()) && absl::Now() < until);
    EXPECT_TRUE(position.ok()) << position.status();
    return position.value_or(LogPosition{}).index;
  }

  // "index:batch" of the entries after `after`, read until the last is
  // `through`; or the error.
  static std::vector<std::string> ReadThrough(SharedLog& log, uint64_t after,
                                              uint64_t through,
                                              size_t bytes_max = kAll) {
    const absl::Time until = Soon();
    std::vector<std::string> texts;
    while (after < through && absl::Now() < until) {
      const auto entries =
          log.Read({kEpoch, after}, bytes_max, absl::Seconds(5));
      if (absl::IsUnavailable(entries.status())) continue;
      if (!entries.ok()) return {entries.status().ToString()};
      for (const LogEntry& entry : *entries) {
        EXPECT_EQ(entry.position.index, ++after);
        texts.push_back(absl::StrCat(entry.position.index, ":", entry.batch));
      }
    }
    return texts;
  }

  static std::vector<std::string> Batches(uint64_t first, uint64_t last) {
    std::vector<std::string> texts;
    for (uint64_t i = first; i <= last; ++i) {
      texts.push_back(absl::StrCat(i, ":batch ", i));
    }
    return texts;
  }

  static absl::StatusCode ReadCode(SharedLog& log, uint64_t after) {
    return log.Read({kEpoch, after}, kAll, absl::ZeroDuration())
        .status()
        .code();
  }

  // What a foreign hand puts into etcd.
  void Put(const std::string& key, const std::string& value) {
    etcdserverpb::TxnRequest request;
    AddPut(*request.add_success(), key, value);
    ASSERT_TRUE(Raw().TryTxn(request).ok());
  }
  void Delete(const std::string& key) {
    etcdserverpb::TxnRequest request;
    request.add_success()->mutable_request_delete_range()->set_key(key);
    ASSERT_TRUE(Raw().TryTxn(request).ok());
  }
  // Forgets all that was superseded.
  void CompactAll() {
    const auto bounds = GetBounds(Raw(), keys_);
    ASSERT_TRUE(bounds.ok());
    ASSERT_TRUE(Raw().Compact(bounds->revision).ok());
  }
  static EtcdClient& Raw() {
    static EtcdClient client(Etcd().endpoints(), 0);
    return client;
  }

  const std::string prefix_ = absl::StrCat(
      "test/", testing::UnitTest::GetInstance()->current_test_info()->name());
  const EtcdKeys keys_{prefix_, kEpoch};
};

// --- Beginning ---

TEST_F(EtcdLogTest, OfTwoThatBeginOneWinsAndTheOtherIsToldToJoin) {
  const auto first = Create(Options());
  const auto second = Create(Options());
  EXPECT_EQ(*second->Tail(), (LogPosition{kEpoch, 0}));
  EXPECT_EQ(Append(*first, 1, /*instance=*/1), 1u);
  const auto lost = second->Append(Id(1, /*instance=*/2), AsBytes("x"));
  EXPECT_EQ(RefusalOf(lost.status()), v1::ALREADY_INITIALIZED);
  EXPECT_THAT(std::string(lost.status().message()), HasSubstr("join"));
  EXPECT_EQ(*first->Tail(), (LogPosition{kEpoch, 1}));
  EXPECT_EQ(RefusalOf(EtcdLog::Create(Options(), kEpoch, Soon()).status()),
            v1::ALREADY_INITIALIZED);
}

TEST_F(EtcdLogTest, OpensWhatWasBegun) {
  EXPECT_EQ(EtcdLog::Open(Options(), Soon()).status().code(),
            absl::StatusCode::kNotFound);
  const auto first = Filled(2);
  const auto second = Open(Options());
  EXPECT_EQ(second->epoch(), kEpoch);
  EXPECT_EQ(second->cluster_id(), first->cluster_id());
  EXPECT_EQ(*second->Tail(), (LogPosition{kEpoch, 2}));
  EXPECT_EQ(ReadThrough(*second, 0, 2), Batches(1, 2));
}

TEST_F(EtcdLogTest, ANewEpochEndsTheOldOneForEverybody) {
  const auto old = Filled(3);
  EXPECT_EQ(ReadThrough(*old, 0, 3), Batches(1, 3));
  const auto next = Create(Options(), kEpoch + 1);
  EXPECT_EQ(*next->Tail(), (LogPosition{kEpoch + 1, 0}));
  EXPECT_EQ(Append(*next, 1), 1u);
  EXPECT_EQ(*next->Tail(), (LogPosition{kEpoch + 1, 1}));
  EXPECT_EQ(old->Append(Id(4), AsBytes("x")).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*old->Tail(), (LogPosition{kEpoch + 1, 0}));
  EXPECT_EQ(ReadCode(*old, 3), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(old->Trim({kEpoch, 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Open(Options())->epoch(), kEpoch + 1);
}

TEST_F(EtcdLogTest, ChecksItsOptions) {
  EtcdLogOptions options = Options();
  options.prefix = "";
  EXPECT_EQ(EtcdLog::Open(options, Soon()).status().code(),
            absl::StatusCode::kInvalidArgument);
  options = Options();
  options.endpoints.addresses.clear();
  EXPECT_EQ(EtcdLog::Open(options, Soon()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(EtcdLog::Create(Options(), 0, Soon()).status().code(),
            absl::StatusCode::kInvalidArgument);
  // Without certificates of its own gRPC would trust every public CA.
  for (std::string EtcdEndpoints::*pem :
       {&EtcdEndpoints::ca_certificates, &EtcdEndpoints::certificate,
        &EtcdEndpoints::private_key}) {
    options = Options();
    options.endpoints.*pem = "";
    EXPECT_EQ(EtcdLog::Open(options, Soon()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

// Answers whoever asks, and counts them.
class Impostor : public etcdserverpb::KV::Service {
 public:
  grpc::Status Txn(grpc::ServerContext*, const etcdserverpb::TxnRequest*,
                   etcdserverpb::TxnResponse* response) override {
    ++asked;
    response->mutable_header()->set_cluster_id(7);
    return grpc::Status::OK;
  }
  std::atomic<int> asked = 0;
};

TEST_F(EtcdLogTest, AServerWhoseCertificateNamesAnotherHostIsNotAsked) {
  Impostor impostor;
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs = {{ReadTestFile(Etcd().server_key_file()),
                             ReadTestFile(Etcd().server_certificate_file())}};
  grpc::ServerBuilder builder;
  int named = 0;
  int unnamed = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls),
                           &named);
  builder.AddListeningPort("127.0.0.2:0", grpc::SslServerCredentials(tls),
                           &unnamed);
  builder.RegisterService(&impostor);
  const auto server = builder.BuildAndStart();
  EtcdLogOptions options = Options();
  options.endpoints.addresses = {absl::StrCat("127.0.0.2:", unnamed)};
  EXPECT_EQ(EtcdLog::Open(options, absl::Now()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(impostor.asked, 0);
  // Nothing but its name was wrong.
  options.endpoints.addresses = {absl::StrCat("127.0.0.1:", named)};
  EXPECT_EQ(RefusalOf(EtcdLog::Open(options, Soon()).status()), v1::DATA_LOSS);
  EXPECT_GT(impostor.asked, 0);
}

// --- Reading ---

TEST_F(EtcdLogTest, EveryReaderSeesOneOrder) {
  constexpr uint64_t kEach = 60;
  const auto first = Filled(1);
  const auto second = Open(Options());
  const auto reader = Open(Options());
  std::thread a([&] {
    for (uint64_t i = 2; i <= kEach; ++i) Append(*first, i, 1);
  });
  std::thread b([&] {
    for (uint64_t i = 1; i <= kEach; ++i) Append(*second, i, 2);
  });
  const auto live = ReadThrough(*reader, 0, 2 * kEach, /*bytes_max=*/50);
  a.join();
  b.join();
  EXPECT_EQ(live.size(), 2 * kEach);
  EXPECT_EQ(ReadThrough(*first, 0, 2 * kEach), live);
}

TEST_F(EtcdLogTest, AReaderBeginsAnywhere) {
  const auto log = Filled(20);
  for (uint64_t after = 0; after <= 20; ++after) {
    EXPECT_EQ(ReadThrough(*Open(Options()), after, 20), Batches(after + 1, 20));
  }
}

TEST_F(EtcdLogTest, AReaderThatCompactionPassedReadsFromTheKeys) {
  const auto log = Filled(100);
  CompactAll();
  const auto reader = Open(Options());
  EXPECT_EQ(ReadThrough(*reader, 5, 100, /*bytes_max=*/70), Batches(6, 100));
  // And goes on by the watch.
  EXPECT_EQ(Append(*log, 101), 101u);
  EXPECT_EQ(ReadThrough(*reader, 100, 101), Batches(101, 101));
}

TEST_F(EtcdLogTest, ATrimDoesNotTakeTheWatchFromALiveReader) {
  const auto log = Filled(10);
  const auto reader = Open(Options());
  EXPECT_EQ(ReadThrough(*reader, 0, 10), Batches(1, 10));
  for (uint64_t i = 11; i <= 40; ++i) {
    EXPECT_EQ(Append(*log, i), i);
    EXPECT_TRUE(log->Trim({kEpoch, i - 1}).ok());
  }
  EXPECT_EQ(ReadThrough(*reader, 10, 40), Batches(11, 40));
  EXPECT_EQ(ReadCode(*Open(Options()), 10), absl::StatusCode::kOutOfRange);
}

TEST_F(EtcdLogTest, AListThatCompactionOvertakesIsTriedAgain) {
  const auto log = Filled(5);
  CompactAll();
  std::atomic<bool> overtaken = false;
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  // Between the look at the bounds and the list of what they bound.
  liar.Tell(
      {.txn = [&](const etcdserverpb::TxnRequest&, etcdserverpb::TxnResponse&) {
        if (!overtaken.exchange(true)) {
          Put(prefix_ + "-else", "x");
          CompactAll();
        }
        return grpc::Status::OK;
      }});
  EXPECT_EQ(ReadCode(*reader, 2), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(overtaken);
  EXPECT_EQ(ReadThrough(*reader, 2, 5), Batches(3, 5));
}

TEST_F(EtcdLogTest, WhatAnotherInstanceTrimmedIsForgottenHereToo) {
  const auto log = Filled(20);
  const auto other = Open(Options());
  EXPECT_EQ(ReadThrough(*other, 0, 20), Batches(1, 20));
  EXPECT_TRUE(log->Trim({kEpoch, 15}).ok());
  EXPECT_TRUE(other->Trim({kEpoch, 10}).ok());
  EXPECT_EQ(other->entries_remembered(), 5u);
}

TEST_F(EtcdLogTest, TrimDeletesTheKeys) {
  const auto log = Filled(250);
  EXPECT_TRUE(Open(Options())->Trim({kEpoch, 240}).ok());
  const auto bounds = GetBounds(Raw(), keys_);
  ASSERT_TRUE(bounds.ok());
  EXPECT_EQ(bounds->trimmed.index, 240u);
  const auto entries = ListEntries(Raw(), keys_, *bounds);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(entries->size(), 10u);
  EXPECT_EQ(ReadThrough(*Open(Options()), 240, 250), Batches(241, 250));
}

TEST_F(EtcdLogTest, TwoMayTrimAtOnce) {
  const auto first = Filled(250);
  const auto second = Open(Options());
  ReadThrough(*first, 0, 250);
  std::thread other([&] {
    for (uint64_t i = 10; i <= 250; i += 10) {
      EXPECT_TRUE(second->Trim({kEpoch, i}).ok());
    }
  });
  for (uint64_t i = 7; i <= 250; i += 9) {
    EXPECT_TRUE(first->Trim({kEpoch, i}).ok());
  }
  other.join();
  EXPECT_EQ(ReadCode(*first, 249), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(*first->Tail(), (LogPosition{kEpoch, 250}));
}

TEST_F(EtcdLogTest, ARetryFindsItsEntryAfterCompaction) {
  const auto log = Filled(5);
  CompactAll();
  EXPECT_EQ(Append(*log, 2), 2u);
  EXPECT_EQ(Append(*log, 5), 5u);
}

// --- What no honest log holds ---

TEST_F(EtcdLogTest, ARewrittenEntryIsDataLoss) {
  const auto log = Filled(3);
  EXPECT_EQ(ReadThrough(*log, 0, 3), Batches(1, 3));
  Put(keys_.Batch(Id(2)), "forged");
  Append(*log, 4);
  EXPECT_EQ(ReadCode(*log, 3), absl::StatusCode::kDataLoss);
  CompactAll();
  EXPECT_EQ(ReadCode(*Open(Options()), 0), absl::StatusCode::kDataLoss);
  const auto again = log->Append(Id(2), AsBytes("batch 2"));
  EXPECT_EQ(RefusalOf(again.status()), v1::DATA_LOSS);
}

TEST_F(EtcdLogTest, AnEntryThatIsGoneUntrimmedIsAGap) {
  const auto log = Filled(5);
  Delete(keys_.Batch(Id(3)));
  // A watch still shows it; what is listed does not add up.
  EXPECT_EQ(ReadThrough(*Open(Options()), 0, 5), Batches(1, 5));
  CompactAll();
  EXPECT_EQ(ReadCode(*Open(Options()), 0), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(ReadThrough(*Open(Options()), 5, 5), Batches(6, 5));
}

TEST_F(EtcdLogTest, AnIndexThatJumpsIsAGap) {
  const auto log = Filled(3);
  EXPECT_EQ(ReadThrough(*log, 0, 3), Batches(1, 3));
  Put(keys_.Tail(), "");
  Append(*log, 5);
  EXPECT_EQ(ReadCode(*log, 3), absl::StatusCode::kOutOfRange);
}

TEST_F(EtcdLogTest, KeysThatAreNoneOfOursAreSkipped) {
  const auto log = Filled(1);
  Put(keys_.EpochPrefix() + "other", "x");
  Put(keys_.EpochPrefix() + "zzz", "x");
  Append(*log, 2);
  EXPECT_EQ(ReadThrough(*log, 0, 2), Batches(1, 2));
}

TEST_F(EtcdLogTest, ALogThatWasEmptiedIsDataLoss) {
  const auto log = Filled(3);
  EXPECT_EQ(ReadThrough(*log, 0, 3), Batches(1, 3));
  etcdserverpb::TxnRequest request;
  auto& all = *request.add_success()->mutable_request_delete_range();
  all.set_key(prefix_ + "/");
  all.set_range_end(RangeEnd(prefix_ + "/"));
  ASSERT_TRUE(Raw().TryTxn(request).ok());
  EXPECT_EQ(ReadCode(*log, 3), absl::StatusCode::kDataLoss);
  EXPECT_EQ(log->Append(Id(4), AsBytes("x")).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

// --- A server that lies ---

TEST_F(EtcdLogTest, AnUnknownOutcomeIsResolvedByTheSameId) {
  LyingEtcd liar(Etcd());
  const auto log = Create(Options(liar.endpoint()));
  int answers = 0;
  liar.Tell({.txn = [&](const etcdserverpb::TxnRequest& request,
                        etcdserverpb::TxnResponse&) {
    const bool append = request.compare_size() > 0;
    return append && ++answers % 2 == 1
               ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost")
               : grpc::Status::OK;
  }});
  for (uint64_t i = 1; i <= 3; ++i) {
    const auto position =
        log->Append(Id(i), AsBytes(absl::StrCat("batch ", i)));
    ASSERT_TRUE(position.ok()) << position.status();
    EXPECT_EQ(*position, (LogPosition{kEpoch, i}));
  }
  EXPECT_EQ(answers, 6);
  EXPECT_EQ(ReadThrough(*Open(Options()), 0, 3), Batches(1, 3));
}

TEST_F(EtcdLogTest, AWatchThatSkipsIsLeftForTheKeys) {
  const auto log = Filled(2);
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  int skipped = 0;
  liar.Tell({.watch = [&](etcdserverpb::WatchResponse& response) {
    // Without the third entry.
    return response.created() || ++skipped != 1;
  }});
  EXPECT_EQ(ReadThrough(*reader, 2, 2), Batches(3, 2));
  EXPECT_EQ(ReadCode(*reader, 2), absl::StatusCode::kOk);  // It watches now.
  Append(*log, 3);
  Append(*log, 4);
  EXPECT_EQ(ReadThrough(*reader, 2, 4), Batches(3, 4));
  EXPECT_GT(skipped, 0);
}

TEST_F(EtcdLogTest, AWatchThatFallsSilentIsNoticed) {
  const auto log = Filled(1);
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  EXPECT_EQ(ReadThrough(*reader, 0, 1), Batches(1, 1));
  liar.Tell({.watch = [](etcdserverpb::WatchResponse&) { return false; }});
  Append(*log, 2);
  EXPECT_EQ(reader->Read({kEpoch, 1}, kAll, absl::Seconds(30)).status().code(),
            absl::StatusCode::kUnavailable);
  liar.Tell({});
  EXPECT_EQ(ReadThrough(*reader, 1, 2), Batches(2, 2));
}

TEST_F(EtcdLogTest, AWatchOfNothingButNoiseIsNoticed) {
  const auto log = Filled(1);
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  EXPECT_EQ(ReadThrough(*reader, 0, 1), Batches(1, 1));
  liar.Tell({.watch = [](etcdserverpb::WatchResponse& response) {
    response.clear_events();
    return true;
  }});
  Append(*log, 2);
  absl::Notification read;
  bool noticed = false;
  std::thread noise([&] {
    const absl::Time until = absl::Now() + 8 * kSilenceMax;
    while (!noticed && absl::Now() < until) {
      Put(keys_.EpochPrefix() + "noise", "x");
      noticed = read.WaitForNotificationWithTimeout(kSilenceMax / 10);
    }
  });
  EXPECT_EQ(reader->Read({kEpoch, 1}, kAll, absl::Seconds(30)).status().code(),
            absl::StatusCode::kUnavailable);
  read.Notify();
  noise.join();
  EXPECT_TRUE(noticed) << "only once the noise was over";
  liar.Tell({});
  EXPECT_EQ(ReadThrough(*reader, 1, 2), Batches(2, 2));
}

TEST_F(EtcdLogTest, EventsWithOldRevisionsAreNotBelieved) {
  const auto log = Filled(3);
  LyingEtcd liar(Etcd());
  int lies = 0;
  liar.Tell({.watch = [&](etcdserverpb::WatchResponse& response) {
    for (auto& event : *response.mutable_events()) {
      event.mutable_kv()->set_mod_revision(1);
      event.mutable_kv()->set_create_revision(1);
      ++lies;
    }
    return true;
  }});
  const auto reader = Open(Options(liar.endpoint()));
  EXPECT_EQ(ReadThrough(*reader, 1, 3), Batches(2, 3));  // From the keys.
  Append(*log, 4);
  EXPECT_EQ(ReadThrough(*reader, 3, 4), Batches(4, 4));
  EXPECT_GT(lies, 0);
}

TEST_F(EtcdLogTest, AnswersOfAnotherClusterAreNotBelieved) {
  const auto log = Filled(1);
  LyingEtcd liar(Etcd());
  liar.Tell({.txn =
                 [](const etcdserverpb::TxnRequest&,
                    etcdserverpb::TxnResponse& response) {
                   response.mutable_header()->set_cluster_id(7);
                   return grpc::Status::OK;
                 },
             .watch =
                 [](etcdserverpb::WatchResponse& response) {
                   response.mutable_header()->set_cluster_id(7);
                   return true;
                 }});
  EtcdLogOptions options = Options(liar.endpoint());
  options.cluster_id = log->cluster_id();
  EXPECT_EQ(EtcdLog::Open(options, Soon()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  // One of two: the other one serves.
  options.endpoints.addresses.push_back(Etcd().address(0));
  const auto reader = Open(options);
  EXPECT_EQ(ReadThrough(*reader, 0, 1), Batches(1, 1));
  EXPECT_EQ(Append(*reader, 2), 2u);
}

TEST_F(EtcdLogTest, ARolledBackTailIsDataLoss) {
  const auto log = Filled(3);
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  liar.Tell({.txn = [](const etcdserverpb::TxnRequest&,
                       etcdserverpb::TxnResponse& response) {
    for (auto& one : *response.mutable_responses()) {
      for (auto& kv : *one.mutable_response_range()->mutable_kvs()) {
        if (kv.version() == 3) kv.set_version(2);
      }
    }
    return grpc::Status::OK;
  }});
  EXPECT_EQ(ReadCode(*reader, 3), absl::StatusCode::kDataLoss);
}

TEST_F(EtcdLogTest, AHungEndpointIsLeftForTheNext) {
  LyingEtcd liar(Etcd());
  EtcdLogOptions options = Options(liar.endpoint());
  options.endpoints.addresses.push_back(Etcd().address(0));
  const auto log = Create(options);
  Append(*log, 1);
  EXPECT_EQ(ReadThrough(*log, 0, 1), Batches(1, 1));
  liar.Tell({.hang = true});
  EXPECT_EQ(Append(*log, 2), 2u);
  EXPECT_EQ(ReadThrough(*log, 1, 2), Batches(2, 2));
  EXPECT_EQ(Append(*log, 3), 3u);
  EXPECT_EQ(ReadThrough(*log, 2, 3), Batches(3, 3));
}

TEST_F(EtcdLogTest, StopEndsACallThatHangsAndAllLaterOnes) {
  std::atomic<int> asked = 0;
  absl::Notification hangs;
  absl::Notification over;
  LyingEtcd liar(Etcd());
  EtcdLogOptions options = Options(liar.endpoint());
  // Each would be given up after some seconds, one after the other.
  while (options.endpoints.addresses.size() < kEndpointsMax) {
    options.endpoints.addresses.push_back(liar.address());
  }
  const auto log = Create(options);
  Append(*log, 1);
  liar.Tell(
      {.txn = [&](const etcdserverpb::TxnRequest&, etcdserverpb::TxnResponse&) {
        if (++asked == 1) hangs.Notify();
        over.WaitForNotification();
        return grpc::Status::OK;
      }});
  absl::StatusCode code = absl::StatusCode::kOk;
  std::thread appender(
      [&] { code = log->Append(Id(2), AsBytes("batch 2")).status().code(); });
  hangs.WaitForNotification();
  const absl::Time stopped = absl::Now();
  log->Stop();
  appender.join();
  EXPECT_EQ(code, absl::StatusCode::kUnavailable);
  const int asked_before = asked;
  EXPECT_EQ(log->Tail().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReadCode(*log, 1), absl::StatusCode::kUnavailable);
  EXPECT_EQ(asked, asked_before);
  EXPECT_LT(absl::Now() - stopped, 2 * kCallTimeoutMax);
  over.Notify();
}

TEST_F(EtcdLogTest, AWatchThatEndsIsResumed) {
  const auto log = Filled(1);
  LyingEtcd liar(Etcd());
  const auto reader = Open(Options(liar.endpoint()));
  for (uint64_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(ReadThrough(*reader, i - 1, i), Batches(i, i));
    liar.EndWatches();
    Append(*log, i + 1);
  }
}

// --- Faults of real members ---

TEST_F(EtcdLogTest, ADeadServerLeavesTheOutcomeUnknownUntilItIsBack) {
  TestEtcd etcd;
  auto liar = std::make_unique<LyingEtcd>(etcd);
  const auto log = Create(Options(liar->endpoint()));
  EXPECT_EQ(Append(*log, 1), 1u);
  liar->Tell({.txn = [&](const etcdserverpb::TxnRequest& request,
                         etcdserverpb::TxnResponse&) {
    if (request.compare_size() == 0) return grpc::Status::OK;
    etcd.Kill(0);
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "died");
  }});
  EXPECT_EQ(log->Append(Id(2), AsBytes("batch 2")).status().code(),
            absl::StatusCode::kUnavailable);
  liar->Tell({});
  EXPECT_EQ(log->Append(Id(2), AsBytes("batch 2")).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(log->Tail().status().code(), absl::StatusCode::kUnavailable);
  etcd.Restart(0);
  EXPECT_EQ(Append(*log, 2), 2u);
  EXPECT_EQ(*log->Tail(), (LogPosition{kEpoch, 2}));
  EXPECT_EQ(ReadThrough(*log, 0, 2), Batches(1, 2));
}

TEST_F(EtcdLogTest, AnotherEtcdInItsPlaceIsRefused) {
  TestEtcd other(1, {"--initial-cluster-token=other"});
  const auto log = Filled(1);
  EtcdLogOptions options = Options(other.endpoints());
  options.cluster_id = log->cluster_id();
  const auto opened = EtcdLog::Open(options, Soon());
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("new epoch"));
}

TEST_F(EtcdLogTest, AFullEtcdIsRefusedByNameWithWhatToDo) {
  TestEtcd etcd(1, {"--quota-backend-bytes=4194304"});
  const auto log = Create(Options(etcd.endpoints()));
  const std::string batch(kBatchBytesMax / 2, 'x');
  uint64_t last = 0;
  absl::StatusOr<LogPosition> position;
  do {
    position = log->Append(Id(last + 1), AsBytes(batch));
    if (position.ok()) ++last;
  } while ((position.ok() || absl::IsUnavailable(position.status())) &&
           last < 100);
  EXPECT_EQ(position.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(position.status().message()),
              HasSubstr("etcdctl alarm disarm"));
  EXPECT_THAT(log->Members().at(0).alarms, ElementsAre(HasSubstr("NOSPACE")));
  // What is there can be read.
  uint64_t read = 0;
  while (read < last) {
    const auto entries = log->Read({kEpoch, read}, kAll, absl::Seconds(5));
    ASSERT_TRUE(entries.ok()) << entries.status();
    ASSERT_FALSE(entries->empty());
    read += entries->size();
  }
  EXPECT_EQ(*log->Tail(), (LogPosition{kEpoch, last}));
}

TEST_F(EtcdLogTest, LargeBatchesFitAWatchThatIsBehind) {
  const auto log = Create(Options());
  const std::string batch(kBatchBytesMax, 'x');
  constexpr uint64_t kCount = 50;
  for (uint64_t i = 1; i <= kCount; ++i) {
    ASSERT_TRUE(log->Append(Id(i), AsBytes(batch)).ok());
  }
  for (const bool compacted : {false, true}) {
    if (compacted) CompactAll();
    const auto reader = Open(Options());
    uint64_t read = 0;
    while (read < kCount) {
      const auto entries =
          reader->Read({kEpoch, read}, 4 * kBatchBytesMax, absl::Seconds(5));
      if (absl::IsUnavailable(entries.status())) continue;
      ASSERT_TRUE(entries.ok()) << entries.status();
      ASSERT_FALSE(entries->empty());
      EXPECT_LE(entries->size(), 4u);
      read += entries->size();
    }
  }
}

class EtcdMembersTest : public EtcdLogTest {
 protected:
  TestEtcd etcd_{3};
};

TEST_F(EtcdMembersTest, SurvivesAMemberThatHangs) {
  const auto log = Create(Options(etcd_.endpoints()));
  EXPECT_EQ(Append(*log, 1), 1u);
  EXPECT_EQ(ReadThrough(*log, 0, 1), Batches(1, 1));
  const size_t hung = 0;  // The first in the list, which all calls go to.
  etcd_.Pause(hung);
  EXPECT_EQ(Append(*log, 2), 2u);
  EXPECT_EQ(ReadThrough(*log, 1, 2), Batches(2, 2));
  etcd_.Resume(hung);
  EXPECT_EQ(Append(*log, 3), 3u);
  EXPECT_EQ(ReadThrough(*log, 2, 3), Batches(3, 3));
}

TEST_F(EtcdMembersTest, SurvivesTheLossOfItsLeader) {
  const auto log = Create(Options(etcd_.endpoints()));
  EXPECT_EQ(Append(*log, 1), 1u);
  const auto reader = Open(Options(etcd_.endpoints()));
  EXPECT_EQ(ReadThrough(*reader, 0, 1), Batches(1, 1));
  uint64_t last = 1;
  for (int round = 0; round < 2; ++round) {
    const size_t leader = etcd_.Leader();
    etcd_.Kill(leader);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(Append(*log, last + 1), last + 1);
      EXPECT_EQ(ReadThrough(*reader, last, last + 1),
                Batches(last + 1, last + 1));
      ++last;
    }
    etcd_.Restart(leader);
  }
  EXPECT_EQ(ReadThrough(*Open(Options(etcd_.endpoints())), 0, last),
            Batches(1, last));
}

TEST_F(EtcdMembersTest, WithoutAMajorityNothingIsAnswered) {
  const auto log = Create(Options(etcd_.endpoints()));
  EXPECT_EQ(Append(*log, 1), 1u);
  EXPECT_EQ(ReadThrough(*log, 0, 1), Batches(1, 1));
  etcd_.Kill(1);
  etcd_.Kill(2);
  EXPECT_EQ(log->Append(Id(2), AsBytes("batch 2")).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(log->Tail().status().code(), absl::StatusCode::kUnavailable);
  // The watch of a member without a leader ends, or is found dead.
  EXPECT_EQ(log->Read({kEpoch, 1}, kAll, absl::Minutes(1)).status().code(),
            absl::StatusCode::kUnavailable);
  etcd_.Restart(1);
  EXPECT_EQ(Append(*log, 2), 2u);
  EXPECT_EQ(ReadThrough(*log, 1, 2), Batches(2, 2));
}

TEST_F(EtcdMembersTest, TellsEachMembersState) {
  const auto log = Create(Options(etcd_.endpoints()));
  etcd_.Kill(2);
  const std::vector<LogMember> members = log->Members();
  ASSERT_EQ(members.size(), 3u);
  EXPECT_TRUE(members[0].status.ok()) << members[0].status;
  EXPECT_TRUE(members[1].status.ok()) << members[1].status;
  EXPECT_EQ(members[2].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(members[0].version, "3.4.23");
  EXPECT_GT(members[0].bytes, 0);
  EXPECT_THAT(members[0].alarms, IsEmpty());
}

}  // namespace
}  // namespace kms::storage
