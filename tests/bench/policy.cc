// What a policy costs: ten rules over the Claims of a TDX guest with eight
// GPUs, beside the verification of that Evidence.
//
//   bazel run -c opt //tests/bench:policy
//
// CPU time of one thread. Short rounds of both follow each other, because a
// machine does not stay equally fast, and the round with the median share
// counts. Evidence is simulated, and each bundle signed anew; it is verified
// with chains and collateral remembered, as a busy instance has them.
#include "policy/document/policy.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/document/appraise.h"
#include "policy/document/references.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/gpu.h"
#include "tools/simtee/tdx.h"

namespace kms::bench {
namespace {

constexpr absl::Duration kGoalCost = absl::Microseconds(20);
constexpr double kGoalShare = 0.05;
constexpr int kGpus = 8;
constexpr int kBundles = 4;
constexpr int kRounds = 9;  // Odd, for the median.
constexpr absl::Duration kRoundTime = absl::Milliseconds(50);
constexpr size_t kCacheBytes = 16 * 1024 * 1024;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kNow = kStart + absl::Hours(24);

// The simulated guest's own values: all ten rules hold, so all are evaluated
// to their ends.
constexpr char kDocument[] = R"yaml(
name: bench
anchors: [simulated-tdx-root, simulated-gpu-root, simulated-gpu-rim-root]
evidence:
  - {type: tdx, count: 1}
  - {type: nvidia-gpu, count: 8}
max_collateral_age: {tcb_info: 720h}
reference:
  firmware: {set: firmware}
rules:
  - {id: firmware, message: firmware, expr: claims.cpu.measurement in reference.firmware}
  - {id: kernel, message: kernel, expr: "claims.cpu.tdx.rtmr1 == unhex('KERNEL')"}
  - {id: no-debug, message: no-debug, expr: "!claims.cpu.debug && !claims.cpu.migratable"}
  - {id: sealed, message: sealed, expr: claims.cpu.tdx.sept_ve_disable}
  - {id: tcb, message: tcb, expr: "claims.cpu.tcb_status in ['UpToDate', 'SWHardeningNeeded']"}
  - {id: family, message: family, expr: "claims.gpus.all(g, g.kind == 'gpu' && g.architecture == 'hopper')"}
  - {id: driver, message: driver, expr: "claims.gpus.all(g, g.driver_version == '550.90.07')"}
  - {id: manifests, message: manifests, expr: "claims.gpus.all(g, g.measurements_match)"}
  - {id: key, message: key, expr: "request.namespace == 'default' && request.key.startsWith('weights-')"}
  - {id: hours, message: hours, expr: now.getFullYear() < 2100 || request.key_version > 7u}
release: {lease: 1h}
)yaml";
constexpr size_t kFirmwareValues = 64;

struct Scene {
  policy::TrustAnchors anchors;
  std::vector<v1::EvidenceBundle> bundles;
};

absl::StatusOr<Scene> MakeScene() {
  const auto tdx =
      simtee::SimulatedTdx::Create({.not_before = kStart, .not_after = kEnd});
  std::vector<simtee::SimulatedGpu> gpus;
  gpus.push_back(
      simtee::SimulatedGpu::Create({.not_before = kStart, .not_after = kEnd}));
  while (gpus.size() < kGpus) gpus.push_back(gpus.front().Sibling());
  std::vector<policy::TrustAnchor> list = gpus.front().Anchors();
  list.push_back(tdx.Anchor());
  KMS_ASSIGN_OR_RETURN(policy::TrustAnchors anchors,
                       policy::TrustAnchors::Create(std::move(list)));
  std::vector<v1::EvidenceBundle> bundles(kBundles);
  for (size_t i = 0; i < bundles.size(); ++i) {
    const std::string data(64, static_cast<char>('a' + i));
    *bundles[i].add_evidence() = tdx.Attest(AsBytes(data), {});
    for (const simtee::SimulatedGpu& gpu : gpus) {
      *bundles[i].add_evidence() = gpu.Attest(AsBytes(data).first(32));
    }
  }
  return Scene{std::move(anchors), std::move(bundles)};
}

absl::StatusOr<policy::CompiledPolicy> CompileDocument() {
  const std::string kernel = Hex(simtee::TdxGuest().rtmr[1]);
  std::string document = kDocument;
  document.replace(document.find("KERNEL"), 6, kernel);
  return policy::Compile(document);
}

// The guest's firmware among others.
policy::ReferenceSets MakeReferences() {
  policy::ReferenceVersion version;
  version.version = 1;
  version.digest = std::string(32, 'd');
  for (size_t i = 0; i + 1 < kFirmwareValues; ++i) {
    version.values.push_back(std::string(48, static_cast<char>(i)));
  }
  version.values.push_back(simtee::TdxGuest().mrtd);
  return {{"firmware", {version}}};
}

// ---------------------------------------------------------------------------
// Measuring

absl::Duration ThreadCpu() {
  timespec spent = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return absl::DurationFromTimespec(spent);
}

// CPU time of one `call`, of as many as fit in `time`.
template <typename Call>
absl::Duration Measure(absl::Duration time, Call call) {
  call();
  const absl::Duration start = ThreadCpu();
  absl::Duration spent;
  int calls = 0;
  do {
    call();
    ++calls;
    spent = ThreadCpu() - start;
  } while (spent < time);
  return spent / calls;
}

struct Round {
  absl::Duration appraise, verify;
  double Share() const { return absl::FDivDuration(appraise, verify); }
};

absl::StatusOr<Round> MeasureRounds() {
  KMS_ASSIGN_OR_RETURN(const Scene scene, MakeScene());
  KMS_ASSIGN_OR_RETURN(const policy::CompiledPolicy policy, CompileDocument());
  const policy::ReferenceSets references = MakeReferences();
  v1::RequestContext request;
  request.set_namespace_("default");
  request.set_key("weights-large");
  request.set_key_version(3);
  request.set_purpose("release");
  policy::VerifiedCache cache(kCacheBytes);
  const policy::VerifyInputs inputs{
      .now = kNow, .anchors = scene.anchors, .cache = &cache};
  v1::Claims claims;
  for (const v1::EvidenceBundle& bundle : scene.bundles) {
    KMS_ASSIGN_OR_RETURN(claims, policy::VerifyBundle(bundle, inputs));
  }
  // A fast wrong answer would not count.
  const v1::Decision decision =
      policy::Appraise(policy, claims, request, kNow, references);
  if (!decision.allowed() || decision.rules_size() != 10) {
    return absl::InternalError(
        absl::StrCat("the policy denies: ", decision.reason()));
  }
  size_t next = 0;
  bool good = true;
  std::vector<Round> rounds(kRounds);
  for (Round& round : rounds) {
    round.verify = Measure(kRoundTime, [&] {
      const v1::EvidenceBundle& bundle =
          scene.bundles[next++ % scene.bundles.size()];
      good = policy::VerifyBundle(bundle, inputs).ok() && good;
    });
    round.appraise = Measure(kRoundTime, [&] {
      good = policy::Appraise(policy, claims, request, kNow, references)
                 .allowed() &&
             good;
    });
  }
  if (!good) return absl::InternalError("a verdict changed");
  std::sort(rounds.begin(), rounds.end(), [](const Round& a, const Round& b) {
    return a.Share() < b.Share();
  });
  return rounds[kRounds / 2];
}

absl::Status Run() {
  KMS_ASSIGN_OR_RETURN(const Round round, MeasureRounds());
  const double cost = absl::ToDoubleMicroseconds(round.appraise);
  std::printf("ten rules over a TDX guest with %d GPUs: %8.1f us\n", kGpus,
              cost);
  std::printf("verifying that Evidence, caches warm:   %8.1f us\n\n",
              absl::ToDoubleMicroseconds(round.verify));
  const double goal = absl::ToDoubleMicroseconds(kGoalCost);
  std::printf("target: policy of ten rules %.1f us (goal %.1f us) %s\n", cost,
              goal, cost <= goal ? "met" : "miss");
  std::printf("target: policy beside verification %.2f %% (goal %.2f %%) %s\n",
              100 * round.Share(), 100 * kGoalShare,
              round.Share() <= kGoalShare ? "met" : "miss");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kms::bench

int main() {
  const absl::Status status = kms::bench::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "bench: %s: %s\n",
               kms::RefusalName(kms::RefusalOf(status)).c_str(),
               std::string(status.message()).c_str());
  return 1;
}
