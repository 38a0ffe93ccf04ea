// Bundles of several parts: what goes together, what must be there, and that
// all of it is of one session. Each part is good by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/document/appraise.h"
#include "policy/document/policy.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/cca.h"
#include "tools/simtee/gpu.h"
#include "tools/simtee/nitro.h"
#include "tools/simtee/snp.h"
#include "tools/simtee/tdx.h"

namespace kms::policy {
namespace {

using simtee::SimulatedCca;
using simtee::SimulatedGpu;
using simtee::SimulatedNitro;
using simtee::SimulatedSnp;
using simtee::SimulatedTdx;

const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
const absl::Time kLaunch = kStart + absl::Hours(24);  // Of the Nitro enclave.
const absl::Time kNow = kLaunch + absl::Hours(2);

// One machine of each kind. GPUs are of one maker, so of one root.
struct Machines {
  SimulatedSnp snp;
  SimulatedTdx tdx;
  SimulatedNitro nitro;
  SimulatedCca cca;
  SimulatedGpu gpu;
  SimulatedGpu other_gpu;
};

const Machines& All() {
  static const auto* const kMachines = [] {
    simtee::SnpOptions snp;
    snp.rsa_bits = 2048;  // To save seconds; AMD's are 4096.
    snp.not_before = kStart;
    snp.not_after = kEnd;
    simtee::TdxOptions tdx;
    tdx.not_before = kStart;
    tdx.not_after = kEnd;
    simtee::GpuOptions gpu;
    gpu.not_before = kStart;
    gpu.not_after = kEnd;
    const SimulatedGpu first = SimulatedGpu::Create(gpu);
    return new Machines{SimulatedSnp::Create(snp),
                        SimulatedTdx::Create(tdx),
                        SimulatedNitro::Create(kLaunch),
                        SimulatedCca::Create(),
                        first,
                        first.Sibling()};
  }();
  return *kMachines;
}

// What a release asks a workload to have signed.
struct Session {
  std::string transcript;
  std::string gpu_nonce;

  explicit Session(char fill)
      : transcript(64, fill), gpu_nonce(32, static_cast<char>(fill ^ 0x0f)) {}
  Binding binding() const {
    return {.transcript = AsBytes(transcript), .gpu_nonce = AsBytes(gpu_nonce)};
  }
};
const Session kOurs('\x41');
const Session kOther('\x42');

v1::Evidence Cpu(v1::EvidenceType type, const std::string& data) {
  const Machines& all = All();
  switch (type) {
    case v1::SEV_SNP:
      return all.snp.Attest(AsBytes(data), simtee::SnpGuest());
    case v1::TDX:
      return all.tdx.Attest(AsBytes(data), simtee::TdxGuest());
    case v1::NITRO:
      return all.nitro.Attest(data);
    default:
      return all.cca.Attest(data);
  }
}
constexpr v1::EvidenceType kCpuTypes[] = {v1::SEV_SNP, v1::TDX, v1::NITRO,
                                          v1::ARM_CCA};

v1::Evidence Gpu(const SimulatedGpu& gpu, const std::string& nonce) {
  return gpu.Attest(AsBytes(nonce));
}

v1::EvidenceBundle Bundle(const std::vector<v1::Evidence>& parts) {
  v1::EvidenceBundle bundle;
  for (const v1::Evidence& part : parts) *bundle.add_evidence() = part;
  return bundle;
}

// A guest with two GPUs.
std::vector<v1::Evidence> Good(v1::EvidenceType type = v1::SEV_SNP) {
  return {Cpu(type, kOurs.transcript), Gpu(All().gpu, kOurs.gpu_nonce),
          Gpu(All().other_gpu, kOurs.gpu_nonce)};
}

std::vector<TrustAnchor> SimulatedAnchors() {
  std::vector<TrustAnchor> anchors = All().gpu.Anchors();
  for (const TrustAnchor& anchor : {All().snp.Anchor(), All().tdx.Anchor(),
                                    All().nitro.Anchor(), All().cca.Anchor()}) {
    anchors.push_back(anchor);
  }
  return anchors;
}

absl::StatusOr<v1::Claims> Verify(const std::vector<v1::Evidence>& parts) {
  static const auto* const kAnchors = [] {
    std::vector<TrustAnchor> anchors = TrustAnchors::BuiltIn();
    for (TrustAnchor& anchor : SimulatedAnchors()) {
      anchors.push_back(std::move(anchor));
    }
    return new TrustAnchors(*TrustAnchors::Create(std::move(anchors)));
  }();
  return VerifyBundle(Bundle(parts), {.now = kNow, .anchors = *kAnchors});
}

// The verdict of verification and binding.
v1::RefusalCode Judge(const std::vector<v1::Evidence>& parts) {
  const auto claims = Verify(parts);
  if (!claims.ok()) return RefusalOf(claims.status());
  return RefusalOf(CheckBinding(*claims, kOurs.binding()));
}

// And of a policy that wants `evidence` and takes simulators.
v1::RefusalCode Appraised(const std::vector<v1::Evidence>& parts,
                          const std::string& evidence, bool simulators = true) {
  std::string names;
  for (const TrustAnchor& anchor : SimulatedAnchors()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", anchor.name);
  }
  const auto policy = Compile(absl::StrCat(
      "name: p\n", simulators ? absl::StrCat("anchors: [", names, "]\n") : "",
      "evidence:\n", evidence,
      "rules:\n  - id: always\n    expr: 'true'\n    message: never\n"
      "release: {lease: 1h}\n"));
  EXPECT_TRUE(policy.ok()) << policy.status();
  const auto claims = Verify(parts);
  EXPECT_TRUE(claims.ok()) << claims.status();
  return Appraise(*policy, *claims, v1::RequestContext(), kNow).code();
}
constexpr char kSnpAndTwoGpus[] =
    "  - {type: sev-snp, count: 1}\n  - {type: nvidia-gpu, count: 2}\n";

TEST(CompositeTest, AcceptsEachCpuWithItsGpus) {
  for (const v1::EvidenceType type : kCpuTypes) {
    SCOPED_TRACE(std::string(EvidenceTypeName(type)));
    const auto claims = Verify(Good(type));
    ASSERT_TRUE(claims.ok()) << claims.status();
    EXPECT_EQ(claims->cpu().type(), type);
    EXPECT_TRUE(claims->cpu().simulated());
    ASSERT_EQ(claims->gpus_size(), 2);
    EXPECT_TRUE(claims->gpus(0).simulated());
    EXPECT_NE(claims->gpus(0).chip_id(), claims->gpus(1).chip_id());
    EXPECT_FALSE(claims->has_tpm());
    EXPECT_TRUE(CheckBinding(*claims, kOurs.binding()).ok());
  }
  EXPECT_EQ(Appraised(Good(), kSnpAndTwoGpus), v1::REFUSAL_CODE_UNSPECIFIED);
}

TEST(CompositeTest, RejectsTwoCpus) {
  for (const v1::EvidenceType first : kCpuTypes) {
    for (const v1::EvidenceType second : kCpuTypes) {
      EXPECT_EQ(
          Judge({Cpu(first, kOurs.transcript), Cpu(second, kOurs.transcript)}),
          v1::EVIDENCE_MALFORMED);
    }
  }
}

// Before any of them is looked at: an Azure type is a CPU TEE and a TPM.
TEST(CompositeTest, RejectsTwoTpms) {
  const auto empty = [](v1::EvidenceType type) {
    v1::Evidence evidence;
    evidence.set_type(type);
    return evidence;
  };
  for (const v1::EvidenceType azure : {v1::AZ_SNP_VTPM, v1::AZ_TDX_VTPM}) {
    const auto status = Verify({empty(azure), empty(v1::TPM)}).status();
    EXPECT_EQ(RefusalOf(status), v1::EVIDENCE_MALFORMED);
    EXPECT_EQ(status.message(),
              "evidence bundle: 1 CPU TEEs and 2 TPMs, want at most one of "
              "each");
    EXPECT_EQ(
        Verify({empty(azure), Cpu(v1::SEV_SNP, kOurs.transcript)})
            .status()
            .message(),
        "evidence bundle: 2 CPU TEEs and 1 TPMs, want at most one of each");
  }
  EXPECT_EQ(Verify({empty(v1::TPM), empty(v1::TPM)}).status().message(),
            "evidence bundle: 0 CPU TEEs and 2 TPMs, want at most one of each");
}

// F7: by one report twice, or by two of one device.
TEST(CompositeTest, RejectsOneGpuTwice) {
  const v1::Evidence cpu = Cpu(v1::SEV_SNP, kOurs.transcript);
  const v1::Evidence gpu = Gpu(All().gpu, kOurs.gpu_nonce);
  EXPECT_EQ(Judge({cpu, gpu, gpu}), v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(Judge({gpu, cpu, Gpu(All().gpu, kOurs.gpu_nonce)}),
            v1::EVIDENCE_INCONSISTENT);
  EXPECT_EQ(Judge({cpu, gpu, Gpu(All().gpu, kOther.gpu_nonce)}),
            v1::EVIDENCE_INCONSISTENT);
}

// F7: nor by two of one device under two keys, as its boot ROM makes one for
// each firmware.
TEST(CompositeTest, RejectsOneGpuUnderTwoFirmwares) {
  const SimulatedGpu updated =
      All().gpu.Reissued(SimulatedGpu::Hierarchy::kDevice, 0,
                         [](x509::CertificateSpec& s) { s.serial = "\x55"; });
  const v1::Evidence cpu = Cpu(v1::SEV_SNP, kOurs.transcript);
  const v1::Evidence gpu = Gpu(updated, kOurs.gpu_nonce);
  EXPECT_EQ(Judge({cpu, gpu}), v1::REFUSAL_CODE_UNSPECIFIED);
  EXPECT_EQ(Judge({cpu, gpu, Gpu(All().gpu, kOurs.gpu_nonce)}),
            v1::EVIDENCE_INCONSISTENT);
}

// F7: what the policy asks for must be there, and nothing in excess.
TEST(CompositeTest, RejectsMissingAndSurplusParts) {
  const std::vector<v1::Evidence> good = Good();
  EXPECT_EQ(Appraised({good[0], good[1]}, kSnpAndTwoGpus),
            v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(Appraised({good[0]}, kSnpAndTwoGpus), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(Appraised({good[1], good[2]}, kSnpAndTwoGpus),
            v1::EVIDENCE_REQUIRED);
  std::vector<v1::Evidence> more = good;
  more.push_back(Gpu(All().gpu.Sibling(), kOurs.gpu_nonce));
  EXPECT_EQ(Appraised(more, kSnpAndTwoGpus), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(Appraised(Good(v1::TDX), kSnpAndTwoGpus), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(Appraised(good,
                      "  - {type: sev-snp, count: 1}\n"
                      "  - {type: nvidia-gpu, count: 2}\n"
                      "  - {type: tpm, count: 1}\n"),
            v1::EVIDENCE_REQUIRED);
}

// A GPU has no memory of the session's key: there is nobody to release to.
TEST(CompositeTest, RejectsGpusAlone) {
  const std::vector<v1::Evidence> good = Good();
  EXPECT_EQ(Judge({good[1]}), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(Judge({good[1], good[2]}), v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(Judge({}), v1::EVIDENCE_MALFORMED);
}

// F7, E13: each part in turn is of another session, and each is good.
TEST(CompositeTest, RejectsPartsOfDifferentSessions) {
  for (const v1::EvidenceType type : kCpuTypes) {
    const std::vector<v1::Evidence> theirs = {
        Cpu(type, kOther.transcript), Gpu(All().gpu, kOther.gpu_nonce),
        Gpu(All().other_gpu, kOther.gpu_nonce)};
    EXPECT_EQ(Judge(Good(type)), v1::REFUSAL_CODE_UNSPECIFIED);
    for (size_t i = 0; i < theirs.size(); ++i) {
      std::vector<v1::Evidence> parts = Good(type);
      parts[i] = theirs[i];
      EXPECT_EQ(Judge(parts), v1::EVIDENCE_NOT_BOUND) << type << " part " << i;
    }
    EXPECT_EQ(Judge(theirs), v1::EVIDENCE_NOT_BOUND);
  }
}

// One part's value does not do for another.
TEST(CompositeTest, RejectsValuesInEachOthersPlace) {
  const v1::Evidence cpu = Cpu(v1::SEV_SNP, kOurs.transcript);
  EXPECT_EQ(Judge({cpu, Gpu(All().gpu, kOurs.transcript.substr(0, 32))}),
            v1::EVIDENCE_NOT_BOUND);
  EXPECT_EQ(Judge({Cpu(v1::SEV_SNP, kOurs.gpu_nonce + std::string(32, '\0')),
                   Gpu(All().gpu, kOurs.gpu_nonce)}),
            v1::EVIDENCE_NOT_BOUND);
  // Half of the transcript is not the transcript.
  EXPECT_EQ(Judge({Cpu(v1::SEV_SNP, kOurs.transcript.substr(0, 32) +
                                        std::string(32, '\0'))}),
            v1::EVIDENCE_NOT_BOUND);
}

// One part that does not verify refuses all, wherever it stands.
TEST(CompositeTest, RejectsABundleWithOneBadPart) {
  for (size_t bad = 0; bad < 3; ++bad) {
    std::vector<v1::Evidence> parts = Good();
    std::string& file = *parts[bad].mutable_files(0)->mutable_content();
    const size_t at = bad == 0 ? 0x50 : file.size() - 1;  // Report data.
    file[at] = static_cast<char>(file[at] ^ 1);
    EXPECT_EQ(Judge(parts), v1::SIGNATURE_INVALID) << bad;
    std::reverse(parts.begin(), parts.end());
    EXPECT_EQ(Judge(parts), v1::SIGNATURE_INVALID) << bad;
  }
}

// A7: a part under another part's label.
TEST(CompositeTest, RejectsPartsUnderEachOthersLabel) {
  std::vector<v1::Evidence> parts = Good();
  parts[0].set_type(v1::NVIDIA_GPU);
  parts[1].set_type(v1::SEV_SNP);
  EXPECT_EQ(Judge(parts), v1::EVIDENCE_MALFORMED);
}

// Simulated parts pass no policy that does not name them, each by itself.
TEST(CompositeTest, NeedsEveryPartsAnchorAllowed) {
  EXPECT_EQ(Appraised(Good(), kSnpAndTwoGpus, /*simulators=*/false),
            v1::ANCHOR_DENIED);
}

}  // namespace
}  // namespace kms::policy
