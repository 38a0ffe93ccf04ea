// What ordering costs in a cluster: commands committed by three instances over
// three members of etcd, beside the puts that the same etcd takes alone from
// as many clients with values of the same size, before and after.
//
//   bazel run -c opt //tests/bench:cluster [-- SECONDS]
//
// Clients are threads of this process, and so are the three instances: what is
// measured is the shared log, the state machine and their batches, not the TLS
// and Evidence of a release (//tests/bench:release). A command is a release
// that was judged already: the client waits until it is in the log and
// applied. Everything runs on this machine, each etcd member with its own
// files on its disk, with fsync.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "kms/base/clock.h"
#include "kms/crypto/digest.h"
#include "proto/etcd/server.grpc.pb.h"
#include "storage/engine/rocksdb_engine.h"
#include "storage/log/etcd/etcd_log.h"
#include "storage/log/etcd/testing.h"
#include "storage/replica/replica.h"
#include "storage/state/state_fixture.h"

namespace kms::bench {
namespace {

using ::storage::v1::Command;

constexpr int kInstances = 3;
// etcd's own connections are not to be the limit of its puts.
constexpr int kConnectionsPerMember = 4;
constexpr absl::Duration kWarmUp = absl::Seconds(2);
constexpr absl::Duration kPatience = absl::Minutes(1);

struct Goal {
  int clients;
  double ratio;
};
constexpr Goal kGoals[] = {{512, 10}, {64, 3}};

template <typename T>
T OrDie(absl::StatusOr<T> result, const char* what) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s: %s\n", what, result.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void OrDie(const absl::Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  std::exit(1);
}

// Calls `work(client, call)` from as many threads, each as soon as the call
// before has ended; the rate of those that end in the window.
double Rate(int clients, absl::Duration window,
            const std::function<void(int, uint64_t)>& work) {
  std::atomic<bool> counting = false;
  std::atomic<bool> ended = false;
  std::atomic<uint64_t> done = 0;
  std::vector<std::thread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      for (uint64_t call = 0; !ended; ++call) {
        work(client, call);
        if (counting) ++done;
      }
    });
  }
  absl::Notification never;
  never.WaitForNotificationWithTimeout(kWarmUp);
  const absl::Time begin = absl::Now();
  counting = true;
  never.WaitForNotificationWithTimeout(window);
  counting = false;
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const uint64_t count = done;
  ended = true;
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(count) / seconds;
}

class RawPuts {
 public:
  explicit RawPuts(const storage::EtcdEndpoints& endpoints) {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto credentials =
        grpc::SslCredentials({endpoints.ca_certificates, endpoints.private_key,
                              endpoints.certificate});
    for (int i = 0; i < kConnectionsPerMember; ++i) {
      for (const std::string& address : endpoints.addresses) {
        stubs_.push_back(etcdserverpb::KV::NewStub(
            grpc::CreateCustomChannel(address, credentials, own)));
      }
    }
  }

  double Measure(int clients, size_t bytes, absl::Duration window) {
    const std::string value(bytes, 'v');
    const int run = ++runs_;
    return Rate(clients, window, [&](int client, uint64_t call) {
      etcdserverpb::PutRequest request;
      request.set_key(absl::StrCat("put/", run, "/", client, "/", call));
      request.set_value(value);
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
      etcdserverpb::PutResponse response;
      const grpc::Status status =
          stubs_[static_cast<size_t>(client) % stubs_.size()]->Put(
              &context, request, &response);
      if (!status.ok()) {
        OrDie(absl::InternalError(status.error_message()), "put");
      }
    });
  }

 private:
  std::vector<std::unique_ptr<etcdserverpb::KV::Stub>> stubs_;
  int runs_ = 0;
};

// Three instances of one cluster, in this process, each with its own state on
// disk and its own connections to etcd.
class Cluster {
 public:
  explicit Cluster(const storage::EtcdEndpoints& endpoints) {
    std::string name = "/tmp/kms_bench_cluster.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
    const storage::EtcdLogOptions options = {endpoints, "bench"};
    for (int i = 0; i < kInstances; ++i) {
      Member& member = members_[i];
      member.who =
          i == 0 ? fixture_.first()
                 : storage::MakeTestInstance(static_cast<uint64_t>(i + 1));
      if (i == 0) {
        member.log =
            OrDie(storage::EtcdLog::Create(options, 1, Until()), "log");
        Bootstrap(member);
      } else {
        Do(fixture_.Register(member.who));
        member.log = OrDie(storage::EtcdLog::Open(options, Until()), "log");
      }
      Open(member, absl::StrCat(directory_, "/", i));
    }
    fixture_.now_us = absl::ToUnixMicros(clock_.Now());
    Do(fixture_.PutPolicy("p"));
    Do(fixture_.CreateKey("weights", key_id_, "p"));
    generation_ = members_[0].replica->View()->header().appraisal_generation();
  }

  ~Cluster() {
    for (Member& member : members_) {
      member.replica.reset();
      member.state.reset();  // It still compacts files that go now.
    }
    std::filesystem::remove_all(directory_);
  }

  // A release that was judged already, of its own challenge.
  Command NewRelease(int client, uint64_t call) const {
    Command command = release_;
    const std::string id = absl::StrCat(runs_, "/", client, "/", call);
    command.set_salt(crypto::Sha256(AsBytes(id)).substr(0, 16));
    auto& op = *command.mutable_release();
    op.set_challenge_hash(crypto::Sha256(AsBytes("c" + id)));
    op.set_transcript_digest(crypto::Sha256(AsBytes("t" + id)) +
                             crypto::Sha256(AsBytes("u" + id)));
    return command;
  }
  size_t command_bytes() {
    PrepareRelease();
    return NewRelease(1, 1).ByteSizeLong();
  }

  double Measure(int clients, absl::Duration window) {
    PrepareRelease();
    return Rate(clients, window, [&](int client, uint64_t call) {
      Member& member = members_[client % kInstances];
      const auto applied =
          member.replica->Propose(NewRelease(client, call), Until());
      if (!applied.ok()) OrDie(applied.status(), "release");
      OrDie(applied->effect.status(), "release");
    });
  }

  // Whether all of them have the same state at the same index.
  void CheckEqual() {
    Do(fixture_.SetKillSwitch(7, true));  // The end that all must reach.
    const auto want = members_[0].replica->View();
    for (Member& member : members_) {
      auto seen = member.replica->View();
      while (seen->position() < want->position()) {
        std::this_thread::yield();
        seen = member.replica->View();
      }
      if (seen->position() == want->position() &&
          seen->header().digest() != want->header().digest()) {
        OrDie(absl::DataLossError("states differ"), "cluster");
      }
    }
  }

 private:
  struct Member {
    storage::TestInstance who;
    std::unique_ptr<storage::Engine> state;
    std::unique_ptr<storage::SharedLog> log;
    std::unique_ptr<storage::Replica> replica;
  };

  static absl::Time Until() { return absl::Now() + kPatience; }

  static storage::InstanceId IdOf(const Member& member) {
    storage::InstanceId id;
    std::copy(member.who.id.begin(), member.who.id.end(), id.bytes.begin());
    return id;
  }

  void Bootstrap(Member& member) {
    storage::BootstrapOptions options;
    options.log = member.log.get();
    options.envelope = &fixture_.envelope();
    options.clock = &clock_;
    options.instance = IdOf(member);
    options.signing_key = member.who.key.get();
    options.cluster_id = storage::TestId(0);
    options.salt = storage::TestId(1);
    options.principal = "bench";
    OrDie(storage::Replica::Bootstrap(options, Until()), "bootstrap");
  }

  void Open(Member& member, const std::string& path) {
    storage::RocksdbOptions engine;
    engine.path = path;
    engine.replayable = true;
    member.state = OrDie(storage::OpenRocksdbEngine(engine), "state");
    storage::ReplicaOptions options;
    options.state = member.state.get();
    options.log = member.log.get();
    options.envelope = &fixture_.envelope();
    options.clock = &clock_;
    options.boot_time = [] { return absl::Now() - absl::UnixEpoch(); };
    options.instance = IdOf(member);
    options.signing_key = member.who.key.get();
    options.cluster_id = storage::TestId(0);
    options.on_fatal = [](const absl::Status& status) {
      OrDie(status, "instance");
    };
    member.replica = OrDie(storage::Replica::Open(options, Until()), "replica");
  }

  void Do(const Command& command) {
    const auto applied = members_[0].replica->Propose(command, Until());
    if (!applied.ok()) OrDie(applied.status(), "command");
    OrDie(applied->effect.status(), "command");
  }

  void PrepareRelease() {
    ++runs_;
    fixture_.now_us = absl::ToUnixMicros(clock_.Now());
    release_ = fixture_.Release(key_id_, 1, generation_);
  }

  const SystemClock clock_;
  storage::StateFixture fixture_;
  const std::string key_id_ = storage::TestId(77);
  std::string directory_;
  Member members_[kInstances];
  uint64_t generation_ = 0;
  Command release_;
  int runs_ = 0;
};

int Main(int argc, char** argv) {
  int seconds = 10;
  if (argc > 2 || (argc == 2 && !absl::SimpleAtoi(argv[1], &seconds)) ||
      seconds < 1) {
    std::fprintf(stderr, "usage: cluster [SECONDS of each measurement]\n");
    return 2;
  }
  // Debian's abseil would search every lock for cycles, under one global lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const absl::Duration window = absl::Seconds(seconds);
  const storage::TestEtcd etcd(
      3, {"--heartbeat-interval=100", "--election-timeout=1000",
          "--quota-backend-bytes=8589934592"});
  RawPuts puts(etcd.endpoints());
  Cluster cluster(etcd.endpoints());
  const size_t bytes = cluster.command_bytes();
  std::printf("commands and values of %zu bytes, %u processors\n\n", bytes,
              std::thread::hardware_concurrency());
  std::printf("%8s %12s %12s %12s %8s\n", "clients", "puts/s", "commands/s",
              "puts/s", "ratio");
  std::string targets;
  for (const Goal& goal : kGoals) {
    const double before = puts.Measure(goal.clients, bytes, window);
    const double commands = cluster.Measure(goal.clients, window);
    const double after = puts.Measure(goal.clients, bytes, window);
    const double ratio = commands / ((before + after) / 2);
    std::printf("%8d %12.0f %12.0f %12.0f %7.1fx\n", goal.clients, before,
                commands, after, ratio);
    std::fflush(stdout);
    absl::StrAppend(&targets, "target: ", goal.clients,
                    " clients' committed commands beside raw puts ",
                    absl::StrFormat("%.1fx (goal %.0fx) ", ratio, goal.ratio),
                    ratio >= goal.ratio ? "met" : "miss", "\n");
  }
  cluster.CheckEqual();
  std::printf("\n%s", targets.c_str());
  return 0;
}

}  // namespace
}  // namespace kms::bench

int main(int argc, char** argv) { return kms::bench::Main(argc, argv); }
