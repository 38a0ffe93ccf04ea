// What verifying Evidence costs, for each kind: beside the public-key
// operations that no implementation could leave out, with chains and collateral
// remembered, and cold.
//
//   bazel run -c opt //tests/bench:verify
//
// CPU time of one thread. Short rounds of both follow each other, because a
// machine does not stay equally fast, and the round with the median ratio
// counts. Evidence is simulated where a simulator makes it, each piece signed
// anew; else a real case of the shared set, or a line that says it was not run.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/shared_data.h"
#include "kms/base/status.h"
#include "kms/crypto/bare_operations.h"
#include "policy/verifier/anchor_file.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/client/bundle.h"
#include "tools/simtee/cca.h"
#include "tools/simtee/gpu.h"
#include "tools/simtee/nitro.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx.h"

namespace kms::bench {
namespace {

constexpr double kGoalRatio = 1.25;
constexpr int kRounds = 9;  // Odd, for the median.
constexpr absl::Duration kRoundTime = absl::Milliseconds(20);
constexpr size_t kPieces = 16;  // Signed anew, so that no answer is repeated.
constexpr size_t kCacheBytes = 16 * 1024 * 1024;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());

// ---------------------------------------------------------------------------
// The operations that no implementation could leave out

struct Operation {
  const char* name;
  std::function<void()> (*make)();
};
constexpr Operation kP256 = {"ECDSA P-256", crypto::BareEcdsaP256Verify};
constexpr Operation kP384 = {"ECDSA P-384", crypto::BareEcdsaP384Verify};
constexpr Operation kRsa2048 = {"RSA-2048", crypto::BareRsa2048Verify};

// One signature that has to be verified, whatever was seen before.
struct Mandatory {
  Operation operation;
  const char* of;
};

// ---------------------------------------------------------------------------
// What is verified

struct Kind {
  std::string name;
  std::string source;
  std::vector<v1::EvidenceBundle> bundles;
  std::vector<policy::TrustAnchor> anchors;  // Beside the built-in ones.
  absl::Time now;
  std::vector<Mandatory> mandatory;
  bool has_goal = true;
};

template <typename Attest>
Kind Simulated(std::string name, std::vector<policy::TrustAnchor> anchors,
               absl::Time now, std::vector<Mandatory> mandatory,
               Attest attest) {
  Kind kind{.name = std::move(name),
            .source = "simulated",
            .bundles = {},
            .anchors = std::move(anchors),
            .now = now,
            .mandatory = std::move(mandatory)};
  for (size_t i = 0; i < kPieces; ++i) {
    const std::string data(64, static_cast<char>('a' + i));
    *kind.bundles.emplace_back().add_evidence() = attest(AsBytes(data));
  }
  return kind;
}

std::vector<Kind> SimulatedKinds() {
  std::vector<Kind> kinds;
  const absl::Time now = kStart + absl::Hours(24);
  const auto snp = simtee::SimulatedSnp::Create(
      {.rsa_bits = 4096, .not_before = kStart, .not_after = kEnd});
  kinds.push_back(
      Simulated("sev-snp", {snp.Anchor()}, now, {{kP384, "the report"}},
                [&](BytesView data) { return snp.Attest(data, {}); }));
  const auto tdx =
      simtee::SimulatedTdx::Create({.not_before = kStart, .not_after = kEnd});
  kinds.push_back(
      Simulated("tdx", {tdx.Anchor()}, now, {{kP256, "the quote"}},
                [&](BytesView data) { return tdx.Attest(data, {}); }));
  const auto sgx = simtee::SimulatedTdx::Create(
      {.tee = dcap::TeeKind::kSgx, .not_before = kStart, .not_after = kEnd});
  kinds.push_back(
      Simulated("sgx", {sgx.Anchor()}, now, {{kP256, "the quote"}},
                [&](BytesView data) { return sgx.AttestSgx(data, {}); }));
  const auto nitro = simtee::SimulatedNitro::Create(kStart);
  kinds.push_back(Simulated("nitro", {nitro.Anchor()}, kStart + absl::Hours(1),
                            {{kP384, "the document"}}, [&](BytesView data) {
                              return nitro.Attest(AsStringView(data));
                            }));
  const auto cca = simtee::SimulatedCca::Create();
  kinds.push_back(Simulated(
      "arm-cca", {cca.Anchor()}, now, {{kP384, "the realm token"}},
      [&](BytesView data) { return cca.Attest(AsStringView(data)); }));
  const auto gpu =
      simtee::SimulatedGpu::Create({.not_before = kStart, .not_after = kEnd});
  kinds.push_back(Simulated(
      "nvidia-gpu", gpu.Anchors(), now, {{kP384, "the SPDM measurements"}},
      [&](BytesView data) { return gpu.Attest(data.first(32)); }));
  return kinds;
}

struct RealCase {
  const char* name;
  const char* folder;
  const char* anchor;  // A file there, or null.
  std::vector<Mandatory> mandatory;
  bool extra;  // What comes with it costs too: shown, without a goal.
};

const std::vector<RealCase>& RealCases() {
  static const auto* const kCases = new std::vector<RealCase>{
      {"tpm",
       "tpm/gce-cos85-nonce",
       "tpm_ek_root_1.der",
       {{kRsa2048, "the quote"}},
       false},
      {"az-snp-vtpm",
       "azure-vtpm/snp-genoa-v3",
       nullptr,
       {{kRsa2048, "the quote"}, {kP384, "the report"}},
       false},
      {"az-tdx-vtpm",
       "azure-vtpm/tdx-2023",
       nullptr,
       {{kRsa2048, "the quote"}, {kP256, "the TD quote"}},
       false},
      {"nvidia-gpu, OCSP",
       "nvidia/hopper-h100-550.90.07-full",
       nullptr,
       {{kP384, "the SPDM measurements"}},
       true},
      {"tdx and its CCEL",
       "tdx/v4-gcp-cos113-ccel",
       nullptr,
       {{kP256, "the quote"}},
       true},
      {"tpm and its log",
       "tpm/gce-cos85-nonce",
       "tpm_ek_root_1.der",
       {{kRsa2048, "the quote"}},
       true},
  };
  return *kCases;
}

void RemoveEventLogs(v1::EvidenceBundle& bundle) {
  for (v1::Evidence& piece : *bundle.mutable_evidence()) {
    auto& files = *piece.mutable_files();
    files.erase(std::remove_if(files.begin(), files.end(),
                               [](const v1::EvidenceFile& file) {
                                 return file.role() == "event_log";
                               }),
                files.end());
  }
}

absl::StatusOr<Kind> LoadReal(const RealCase& real) {
  const std::string folder = absl::StrCat("evidence/", real.folder);
  KMS_ASSIGN_OR_RETURN(client::Bundle bundle,
                       client::ReadBundle(SharedPath(folder + "/bundle.json")));
  if (!real.extra) RemoveEventLogs(bundle.evidence);
  Kind kind{.name = real.name,
            .source = real.folder,
            .bundles = {bundle.evidence},
            .anchors = {},
            .now = bundle.index.verify_at.value_or(kStart),
            .mandatory = real.mandatory,
            .has_goal = !real.extra};
  if (real.anchor != nullptr) {
    const auto file = ReadShared(absl::StrCat(folder, "/", real.anchor));
    if (!file.has_value()) return absl::NotFoundError(real.anchor);
    KMS_ASSIGN_OR_RETURN(const policy::AnchorFile parsed,
                         policy::ParseAnchorFile(AsBytes(*file)));
    if (!parsed.certificate.has_value()) {
      return absl::InvalidArgumentError("an anchor without a certificate");
    }
    kind.anchors.push_back(policy::AnchorFromCertificate(
        "bench", bundle.evidence.evidence(0).type(), *parsed.certificate,
        /*simulated=*/false));
  }
  return kind;
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

// Of one round.
struct Result {
  std::vector<absl::Duration> bare;  // One for each mandatory operation.
  absl::Duration warm, cold;

  absl::Duration Mandatory() const {
    absl::Duration sum;
    for (const absl::Duration each : bare) sum += each;
    return sum;
  }
  double Ratio() const { return absl::FDivDuration(warm, Mandatory()); }
};

absl::StatusOr<Result> MeasureKind(const Kind& kind) {
  std::vector<policy::TrustAnchor> list = policy::TrustAnchors::BuiltIn();
  for (const policy::TrustAnchor& anchor : kind.anchors) {
    const bool known = std::any_of(
        list.begin(), list.end(), [&](const policy::TrustAnchor& other) {
          return other.type == anchor.type &&
                 other.spki_sha256 == anchor.spki_sha256;
        });
    if (!known) list.push_back(anchor);
  }
  KMS_ASSIGN_OR_RETURN(const policy::TrustAnchors anchors,
                       policy::TrustAnchors::Create(std::move(list)));
  policy::VerifiedCache cache(kCacheBytes);
  const policy::VerifyInputs cold{.now = kind.now, .anchors = anchors};
  const policy::VerifyInputs warm{
      .now = kind.now, .anchors = anchors, .cache = &cache};
  // A fast wrong answer would not count.
  for (const v1::EvidenceBundle& bundle : kind.bundles) {
    KMS_RETURN_IF_ERROR(policy::VerifyBundle(bundle, warm).status());
  }
  size_t next = 0;
  bool good = true;
  const auto verify = [&](const policy::VerifyInputs& inputs) {
    const size_t piece = next++ % kind.bundles.size();
    good = policy::VerifyBundle(kind.bundles[piece], inputs).ok() && good;
  };
  std::vector<std::function<void()>> bare;
  for (const Mandatory& each : kind.mandatory) {
    bare.push_back(each.operation.make());
  }
  std::vector<Result> rounds(kRounds);
  for (Result& round : rounds) {
    for (const auto& operation : bare) {
      round.bare.push_back(Measure(kRoundTime, operation));
    }
    round.warm = Measure(kRoundTime, [&] { verify(warm); });
    round.cold = Measure(kRoundTime, [&] { verify(cold); });
  }
  if (!good) return absl::InternalError("bench: a verification failed");
  std::sort(rounds.begin(), rounds.end(), [](const Result& a, const Result& b) {
    return a.Ratio() < b.Ratio();
  });
  return rounds[kRounds / 2];
}

// ---------------------------------------------------------------------------
// The report

double Microseconds(absl::Duration duration) {
  return absl::ToDoubleMicroseconds(duration);
}

void Print(const Kind& kind, const Result& result) {
  std::printf(
      "%-17s %8.0f/s %8.1f us  bare %7.1f us  ratio %.2f   cold %8.1f us   "
      "%s\n",
      kind.name.c_str(), 1 / absl::ToDoubleSeconds(result.warm),
      Microseconds(result.warm), Microseconds(result.Mandatory()),
      result.Ratio(), Microseconds(result.cold), kind.source.c_str());
  for (size_t i = 0; i < kind.mandatory.size(); ++i) {
    std::printf("    %-12s verify: %-24s %8.1f us\n",
                kind.mandatory[i].operation.name, kind.mandatory[i].of,
                Microseconds(result.bare[i]));
  }
}

absl::Status Run() {
  std::vector<Kind> kinds = SimulatedKinds();
  for (const RealCase& real : RealCases()) {
    auto kind = LoadReal(real);
    if (kind.ok()) {
      kinds.push_back(*std::move(kind));
    } else {
      std::printf("NOT RUN: %s: %s\n", real.name,
                  std::string(kind.status().message()).c_str());
    }
  }
  std::printf(
      "One verification with chains and collateral remembered; the bare "
      "operations that\nit needs anyway; and cold, with nothing "
      "remembered.\n\n");
  std::vector<std::string> targets;
  for (const Kind& kind : kinds) {
    const auto result = MeasureKind(kind);
    if (!result.ok()) return Annotate(result.status(), kind.name);
    Print(kind, *result);
    if (!kind.has_goal) continue;
    char line[128];
    std::snprintf(line, sizeof line,
                  "target: verify %s ratio %.2fx (goal %.2fx) %s",
                  kind.name.c_str(), result->Ratio(), kGoalRatio,
                  result->Ratio() <= kGoalRatio ? "met" : "miss");
    targets.push_back(line);
  }
  std::printf("\n%s\n", absl::StrJoin(targets, "\n").c_str());
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
