// What a release costs. Starts a real kmsd, sends it prepared releases, and
// sets the CPU time that kmsd used for each beside the public-key operations
// that no implementation could leave out.
//
//   bazel run -c opt //tests/bench:release
//
// CPU time, not wall time: clients share the machine with kmsd. What clients
// do - attest, prepare, verify receipts - is done outside the measured
// windows, on connections that are already open. Certificate chains are
// verified once and remembered, as in any service that runs for a while.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/bare_operations.h"
#include "proto/kms/v1/evidence.pb.h"
#include "proto/kms/v1/keys.grpc.pb.h"
#include "proto/kms/v1/seal.grpc.pb.h"
#include "tests/integration/kmsd_process.h"
#include "tools/client/grpc_status.h"
#include "tools/loadgen/workload.h"
#include "tools/simtee/snp.h"

namespace kms::bench {
namespace {

constexpr double kGoalRatio = 1.5;
constexpr int kBareThreads = 2;  // As busy as the machine is under load.
constexpr absl::Duration kBareTime = absl::Milliseconds(80);
constexpr int kWarmReleases = 50;
constexpr int kProbeCalls = 400;

constexpr char kKey[] = "weights";
constexpr char kPolicy[] = R"(name: guests
evidence:
  - {type: sev-snp, count: 1}
anchors: [simulated-snp-ark]
reference:
  measurements: ["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"]
rules:
  - id: known-image
    expr: claims.cpu.measurement in reference.measurements
    message: the guest image is not one of the approved builds
  - id: most-privileged
    expr: claims.cpu.snp.vmpl == 0u
    message: the report must come from VMPL 0
release:
  lease: 1h
)";

double Microseconds(absl::Duration duration) {
  return absl::ToDoubleMicroseconds(duration);
}

absl::Duration CpuOf(clockid_t clock) {
  timespec spent = {};
  clock_gettime(clock, &spent);
  return absl::DurationFromTimespec(spent);
}

// The CPU time that a process has used, all its threads together.
class ProcessCpu {
 public:
  explicit ProcessCpu(pid_t pid) {
    if (clock_getcpuclockid(pid, &clock_) != 0) std::abort();
  }
  absl::Duration Spent() const { return CpuOf(clock_); }

 private:
  clockid_t clock_ = 0;
};

// ---------------------------------------------------------------------------
// The operations that no implementation could leave out

struct Operation {
  std::string name;
  std::function<void()> (*make)();
  bool of_batch = false;  // Done once for all releases of a batch.
  absl::Duration cost = absl::ZeroDuration();  // CPU time of one, bare.
};

// CPU time of one operation with every core doing the same, so that it is
// measured on a machine as busy as kmsd finds it.
absl::Duration MeasureBare(std::function<void()> (*make)()) {
  std::vector<absl::Duration> costs(kBareThreads);
  std::vector<std::thread> threads;
  for (absl::Duration& cost : costs) {
    threads.emplace_back([&cost, make] {
      const std::function<void()> operation = make();
      operation();
      const absl::Duration start = CpuOf(CLOCK_THREAD_CPUTIME_ID);
      absl::Duration spent;
      int runs = 0;
      do {
        operation();
        ++runs;
        spent = CpuOf(CLOCK_THREAD_CPUTIME_ID) - start;
      } while (spent < kBareTime);
      cost = spent / runs;
    });
  }
  for (std::thread& thread : threads) thread.join();
  absl::Duration sum;
  for (const absl::Duration cost : costs) sum += cost;
  return sum / kBareThreads;
}

std::vector<Operation> BareOperations() {
  return {
      {"ECDSA P-384 verify: the report", crypto::BareEcdsaP384Verify, false},
      {"X25519 key generation: HPKE", crypto::BareX25519Generate, false},
      {"X25519 agreement: HPKE", crypto::BareX25519Derive, false},
      {"Ed25519 sign: the receipt", crypto::BareEd25519Sign, false},
      {"Ed25519 sign: the batch", crypto::BareEd25519Sign, true},
      {"Ed25519 sign: the checkpoint", crypto::BareEd25519Sign, true},
  };
}

// Adds half of a measurement to each: one is made right before a load and one
// right after it, because a machine does not stay equally fast.
void MeasureHalf(std::vector<Operation>& operations) {
  for (Operation& operation : operations) {
    operation.cost += MeasureBare(operation.make) / 2;
  }
}

// ---------------------------------------------------------------------------
// kmsd under load

struct Client {
  std::unique_ptr<loadgen::Workload> workload;
  std::vector<loadgen::Prepared> prepared;
  std::vector<v1::ReleaseKeyResponse> responses;
  std::vector<absl::Duration> latencies;
  absl::Status status;
};

struct LoadResult {
  int clients = 0;
  int releases = 0;
  absl::Duration wall, challenge_cpu, release_cpu;
  absl::Duration p50, p99;
  uint64_t batches = 0;
  std::vector<Operation> operations = BareOperations();

  // CPU time of one release, its challenge included.
  absl::Duration Cpu() const {
    return (challenge_cpu + release_cpu) / releases;
  }
  absl::Duration Mandatory() const {
    absl::Duration sum;
    for (const Operation& each : operations) sum += each.cost * Count(each);
    return sum;
  }
  // How often one release does it: what was really done, and no more. This
  // instance takes its own batch's signature as known, so nobody verifies it,
  // and all releases of one batch share its signature and its checkpoint.
  double Count(const Operation& operation) const {
    return operation.of_batch ? 1 / PerBatch() : 1;
  }
  double Ratio() const { return absl::FDivDuration(Cpu(), Mandatory()); }
  double PerBatch() const {
    return static_cast<double>(releases) / static_cast<double>(batches);
  }
};

// Everything that the phases share.
class Bench {
 public:
  Bench(testing::KmsdProcess& kmsd, const simtee::SimulatedSnp& attester,
        loadgen::Pins pins)
      : kmsd_(kmsd),
        attester_(attester),
        pins_(std::move(pins)),
        cpu_(kmsd.pid()) {}

  absl::StatusOr<LoadResult> Load(int clients, int releases_each);

  // CPU time that kmsd needs for one `call`, which answers whether it did what
  // was expected of it.
  template <typename Call>
  absl::StatusOr<absl::Duration> PerCall(int calls, Call call) {
    const absl::Duration before = cpu_.Spent();
    for (int i = 0; i < calls; ++i) KMS_RETURN_IF_ERROR(call(i));
    return (cpu_.Spent() - before) / calls;
  }

  Client NewClient() const {
    Client client;
    client.workload = std::make_unique<loadgen::Workload>(
        kmsd_.WorkloadChannel(), attester_, pins_, absl::Seconds(30));
    return client;
  }

  testing::KmsdProcess& kmsd() { return kmsd_; }

 private:
  testing::KmsdProcess& kmsd_;
  const simtee::SimulatedSnp& attester_;
  const loadgen::Pins pins_;
  const ProcessCpu cpu_;
};

// Runs `work` for every client, each in its own thread, all at once.
template <typename Work>
absl::Status InParallel(std::vector<Client>& clients, Work work) {
  std::vector<std::thread> threads;
  for (Client& client : clients) {
    threads.emplace_back([&client, work] { client.status = work(client); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Client& client : clients) KMS_RETURN_IF_ERROR(client.status);
  return absl::OkStatus();
}

absl::StatusOr<LoadResult> Bench::Load(int clients, int releases_each) {
  LoadResult result;
  result.clients = clients;
  result.releases = clients * releases_each;
  std::vector<Client> all;
  for (int i = 0; i < clients; ++i) {
    all.push_back(NewClient());
    KMS_RETURN_IF_ERROR(all.back().workload->GetChallenge().status());
  }
  // Challenges, with their CPU; then the Evidence, which is the clients' cost.
  std::vector<std::vector<std::string>> challenges(all.size());
  const absl::Duration before_challenges = cpu_.Spent();
  KMS_RETURN_IF_ERROR(InParallel(all, [&](Client& client) -> absl::Status {
    auto& mine = challenges[static_cast<size_t>(&client - all.data())];
    for (int i = 0; i < releases_each; ++i) {
      KMS_ASSIGN_OR_RETURN(std::string challenge,
                           client.workload->GetChallenge());
      mine.push_back(std::move(challenge));
    }
    return absl::OkStatus();
  }));
  result.challenge_cpu = cpu_.Spent() - before_challenges;
  for (size_t i = 0; i < all.size(); ++i) {
    for (const std::string& challenge : challenges[i]) {
      KMS_ASSIGN_OR_RETURN(loadgen::Prepared prepared,
                           all[i].workload->Prepare(challenge, kKey));
      all[i].prepared.push_back(std::move(prepared));
    }
  }

  KMS_ASSIGN_OR_RETURN(const v1::Status status_before, kmsd_.GetStatus());
  MeasureHalf(result.operations);
  const absl::Duration before = cpu_.Spent();
  const absl::Time start = absl::Now();
  KMS_RETURN_IF_ERROR(InParallel(all, [](Client& client) -> absl::Status {
    for (const loadgen::Prepared& prepared : client.prepared) {
      const absl::Time sent = absl::Now();
      KMS_ASSIGN_OR_RETURN(v1::ReleaseKeyResponse response,
                           client.workload->Send(prepared));
      client.latencies.push_back(absl::Now() - sent);
      client.responses.push_back(std::move(response));
    }
    return absl::OkStatus();
  }));
  result.wall = absl::Now() - start;
  result.release_cpu = cpu_.Spent() - before;
  MeasureHalf(result.operations);
  KMS_ASSIGN_OR_RETURN(const v1::Status status_after, kmsd_.GetStatus());
  result.batches = status_after.index() - status_before.index();

  // A fast wrong answer would not count.
  std::vector<absl::Duration> latencies;
  for (const Client& client : all) {
    for (size_t i = 0; i < client.responses.size(); ++i) {
      KMS_RETURN_IF_ERROR(
          client.workload->Open(client.prepared[i], client.responses[i])
              .status());
    }
    latencies.insert(latencies.end(), client.latencies.begin(),
                     client.latencies.end());
  }
  std::sort(latencies.begin(), latencies.end());
  result.p50 = latencies[latencies.size() / 2];
  result.p99 = latencies[latencies.size() * 99 / 100];
  return result;
}

// ---------------------------------------------------------------------------
// What the rest is spent on: calls that end at a known step

absl::Status WantRefusal(const absl::Status& status, v1::RefusalCode want) {
  return RefusalOf(status) == want
             ? absl::OkStatus()
             : absl::InternalError(absl::StrCat("bench: want ",
                                                RefusalName(want), ", got ",
                                                std::string(status.message())));
}

struct Stages {
  absl::Duration status, challenge, cheap_checks, verification;
};

absl::StatusOr<Stages> MeasureStages(Bench& bench) {
  Stages stages;
  const Client client = bench.NewClient();
  const loadgen::Workload& workload = *client.workload;
  const auto status =
      v1::StatusService::NewStub(bench.kmsd().WorkloadChannel());
  const auto get_status = [&](int) {
    grpc::ClientContext context;
    v1::Status response;
    return client::FromGrpc(
        status->GetStatus(&context, v1::GetStatusRequest(), &response));
  };
  KMS_RETURN_IF_ERROR(get_status(0));
  KMS_ASSIGN_OR_RETURN(stages.status, bench.PerCall(kProbeCalls, get_status));
  KMS_ASSIGN_OR_RETURN(stages.challenge, bench.PerCall(kProbeCalls, [&](int) {
    return workload.GetChallenge().status();
  }));
  // A challenge that is not ours: refused before anything is parsed further.
  KMS_ASSIGN_OR_RETURN(const std::string challenge, workload.GetChallenge());
  KMS_ASSIGN_OR_RETURN(loadgen::Prepared forged,
                       workload.Prepare(challenge, kKey));
  std::string bad = challenge;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  forged.request.set_challenge(bad);
  KMS_ASSIGN_OR_RETURN(stages.cheap_checks,
                       bench.PerCall(kProbeCalls, [&](int) {
                         return WantRefusal(workload.Send(forged).status(),
                                            v1::CHALLENGE_INVALID);
                       }));
  // Evidence of another transcript: genuine, so all of it is verified, and
  // refused at the binding.
  KMS_ASSIGN_OR_RETURN(loadgen::Prepared other,
                       workload.Prepare(challenge, kKey));
  KMS_ASSIGN_OR_RETURN(const loadgen::Prepared another,
                       workload.Prepare(challenge, kKey));
  other.request.set_evidence(another.request.evidence());
  KMS_ASSIGN_OR_RETURN(stages.verification,
                       bench.PerCall(kProbeCalls, [&](int) {
                         return WantRefusal(workload.Send(other).status(),
                                            v1::EVIDENCE_NOT_BOUND);
                       }));
  return stages;
}

// ---------------------------------------------------------------------------
// The report

void PrintOperations(const LoadResult& load) {
  std::printf(
      "\nMandatory public-key operations of one release (bare OpenSSL, both "
      "cores busy;\nmean of right before and right after the load; %.1f "
      "releases to a batch at %d\nclients):\n",
      load.PerBatch(), load.clients);
  for (const Operation& operation : load.operations) {
    std::printf("  %-34s %5.2f x %7.1f us = %7.1f us\n", operation.name.c_str(),
                load.Count(operation), Microseconds(operation.cost),
                Microseconds(operation.cost * load.Count(operation)));
  }
  std::printf("  %-34s %27.1f us\n", "sum", Microseconds(load.Mandatory()));
  std::printf(
      "  Not counted, because not done: verifying the batch's signature (its "
      "own proposer\n  applied it), chain signatures (remembered), TLS "
      "handshakes (connections are open).\n");
}

void PrintLoad(const LoadResult& load) {
  std::printf(
      "  %2d clients: %5.0f releases/s  p50 %6.2f ms  p99 %6.2f ms  %4.1f a "
      "batch\n              CPU/release %.1f us (challenge %.1f + release "
      "%.1f), mandatory %.1f, ratio %.2f\n",
      load.clients, load.releases / absl::ToDoubleSeconds(load.wall),
      absl::ToDoubleMilliseconds(load.p50),
      absl::ToDoubleMilliseconds(load.p99), load.PerBatch(),
      Microseconds(load.Cpu()),
      Microseconds(load.challenge_cpu / load.releases),
      Microseconds(load.release_cpu / load.releases),
      Microseconds(load.Mandatory()), load.Ratio());
}

void PrintStages(const Stages& stages, const LoadResult& single) {
  const absl::Duration release = single.release_cpu / single.releases;
  const absl::Duration verify = single.operations[0].cost;
  const auto line = [](const char* what, absl::Duration cost) {
    std::printf("  %-66s %7.1f us\n", what, Microseconds(cost));
  };
  std::printf(
      "\nWhere the CPU goes, one client, by calls that end at a known step:\n");
  line("GetStatus: TLS, HTTP/2, gRPC and a small message", stages.status);
  line("GetChallenge: as much, and a MAC", stages.challenge);
  line("a release refused at the challenge: as much, for a whole request",
       stages.cheap_checks);
  line("+ Evidence: parsing, certificates, the report's signature",
       stages.verification - stages.cheap_checks);
  line("    of that the bare P-384 verification", verify);
  line("+ policy, log append and sync, apply, wrapping, receipt, answer",
       release - stages.verification);
  line("    of that bare public-key operations", single.Mandatory() - verify);
}

absl::Status CreateKey(const testing::KmsdProcess& kmsd) {
  grpc::ClientContext context;
  v1::CreateKeyRequest request;
  request.set_name(kKey);
  request.set_policy("guests");
  v1::Key key;
  return client::FromGrpc(v1::KeyService::NewStub(kmsd.AdminChannel())
                              ->CreateKey(&context, request, &key));
}

absl::Status Run(const std::string& directory) {
  const simtee::SimulatedSnp attester = simtee::SimulatedSnp::Create(
      {.rsa_bits = 2048,
       .not_before = absl::FromUnixSeconds(0),
       .not_after = absl::FromUnixSeconds(4102444800)});
  KMS_ASSIGN_OR_RETURN(const std::unique_ptr<testing::KmsdProcess> kmsd,
                       testing::KmsdProcess::Create({.kmsd = "kms/server/kmsd",
                                                     .directory = directory}));
  KMS_RETURN_IF_ERROR(kmsd->Start());
  KMS_ASSIGN_OR_RETURN(loadgen::Pins pins,
                       testing::SetUp(*kmsd, attester, "guests", kPolicy));
  KMS_RETURN_IF_ERROR(CreateKey(*kmsd));

  Bench bench(*kmsd, attester, std::move(pins));
  KMS_RETURN_IF_ERROR(bench.Load(1, kWarmReleases).status());
  KMS_ASSIGN_OR_RETURN(const LoadResult one, bench.Load(1, 300));
  KMS_ASSIGN_OR_RETURN(const LoadResult eight, bench.Load(8, 100));
  KMS_ASSIGN_OR_RETURN(const LoadResult sixty_four, bench.Load(64, 30));
  KMS_ASSIGN_OR_RETURN(const Stages stages, MeasureStages(bench));

  std::printf("Load (kmsd's CPU time; clients share its cores):\n");
  for (const LoadResult* load : {&one, &eight, &sixty_four}) {
    PrintLoad(*load);
  }
  PrintStages(stages, one);
  PrintOperations(sixty_four);
  const double ratio = sixty_four.Ratio();
  std::printf("\ntarget: release CPU ratio %.2fx (goal %.1fx) %s\n", ratio,
              kGoalRatio, ratio <= kGoalRatio ? "met" : "miss");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kms::bench

int main() {
  char directory[] = "/tmp/kms_bench.XXXXXX";
  if (mkdtemp(directory) == nullptr) return 1;
  const absl::Status status = kms::bench::Run(directory);
  std::filesystem::remove_all(directory);
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench: %s: %s\n",
               kms::RefusalName(kms::RefusalOf(status)).c_str(),
               std::string(status.message()).c_str());
  return 1;
}
