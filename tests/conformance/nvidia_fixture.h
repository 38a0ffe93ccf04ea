// Devices and reports for the tests of what NVIDIA's Evidence may lie about:
// each makes one that is right, changes one thing, and has it signed anew.
// Thread-compatible. For tests.
#ifndef TESTS_CONFORMANCE_NVIDIA_FIXTURE_H_
#define TESTS_CONFORMANCE_NVIDIA_FIXTURE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kms/base/refusal.h"
#include "kms/crypto/x509/issue.h"
#include "policy/nvidia/report.h"
#include "policy/verifier/collateral.h"
#include "policy/verifier/verified_cache.h"
#include "policy/verifier/verifier.h"
#include "tools/simtee/gpu.h"

namespace kms::nvidia {

using simtee::GpuOptions;
using simtee::RimSpec;
using simtee::SimulatedGpu;
using Hierarchy = SimulatedGpu::Hierarchy;

inline const absl::Time kStart =
    absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone());
inline const absl::Time kEnd =
    absl::FromCivil(absl::CivilDay(2032, 1, 1), absl::UTCTimeZone());
inline const absl::Time kNow = kStart + absl::Hours(24);
inline const std::string kNonce(32, '\x42');

inline GpuOptions Options(const std::string& chip, bool debug = false) {
  GpuOptions options;
  options.chip = chip;
  options.debug = debug;
  options.not_before = kStart;
  options.not_after = kEnd;
  return options;
}

inline const SimulatedGpu& Hopper() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("GH100")));
  return *kGpu;
}
inline const SimulatedGpu& Blackwell() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("GB100")));
  return *kGpu;
}
inline const SimulatedGpu& Switch() {
  static const auto* const kGpu =
      new SimulatedGpu(SimulatedGpu::Create(Options("LS10")));
  return *kGpu;
}

inline policy::TrustAnchors Anchors(const SimulatedGpu& gpu) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  for (policy::TrustAnchor& anchor : gpu.Anchors()) {
    anchors.push_back(std::move(anchor));
  }
  return *policy::TrustAnchors::Create(anchors);
}

struct Extra {
  absl::Time now = kNow;
  policy::VerifiedCache* cache = nullptr;
  const policy::Collateral* collateral = nullptr;
};

inline absl::StatusOr<v1::Claims> Verify(const v1::Evidence& evidence,
                                         const SimulatedGpu& gpu,
                                         const Extra& extra = {}) {
  v1::EvidenceBundle bundle;
  *bundle.add_evidence() = evidence;
  const policy::TrustAnchors anchors = Anchors(gpu);
  return policy::VerifyBundle(bundle, {.now = extra.now,
                                       .anchors = anchors,
                                       .collateral = extra.collateral,
                                       .cache = extra.cache});
}

inline v1::RefusalCode Judge(const v1::Evidence& evidence,
                             const SimulatedGpu& gpu, const Extra& extra = {}) {
  return RefusalOf(Verify(evidence, gpu, extra).status());
}

inline v1::Evidence Good(const SimulatedGpu& gpu = Hopper()) {
  return gpu.Attest(AsBytes(kNonce));
}

inline UnverifiedReport Report(const SimulatedGpu& gpu = Hopper()) {
  return gpu.MakeReport(AsBytes(kNonce));
}

// The verdict on a report after `change` and a new signature.
inline v1::RefusalCode JudgeReport(
    const std::function<void(UnverifiedReport&)>& change,
    const SimulatedGpu& gpu = Hopper()) {
  UnverifiedReport report = Report(gpu);
  change(report);
  return Judge(gpu.Wrap(gpu.Sign(report)), gpu);
}

// The same for a change of bytes that SerializeReport would not make.
inline v1::RefusalCode JudgeBytes(
    const std::function<void(std::string&)>& change) {
  std::string bytes = SerializeReport(Report());
  bytes.resize(bytes.size() - kSignatureBytes);
  change(bytes);
  return Judge(Hopper().Wrap(Hopper().SignBytes(bytes)), Hopper());
}

inline void SetFile(v1::Evidence& evidence, const std::string& role,
                    const std::string& content) {
  for (v1::EvidenceFile& file : *evidence.mutable_files()) {
    if (file.role() == role) {
      file.set_content(content);
      return;
    }
  }
  v1::EvidenceFile* file = evidence.add_files();
  file->set_role(role);
  file->set_content(content);
}

inline v1::Evidence Without(v1::Evidence evidence, const std::string& role) {
  auto* files = evidence.mutable_files();
  for (int i = files->size() - 1; i >= 0; --i) {
    if (files->Get(i).role() == role) files->DeleteSubrange(i, 1);
  }
  return evidence;
}

inline OpaqueField& Field(UnverifiedReport& report, OpaqueType type) {
  for (OpaqueField& field : report.opaque) {
    if (field.type == type) return field;
  }
  report.opaque.push_back({type, ""});
  return report.opaque.back();
}

// F3, B1 to B4: the device's chain.
inline v1::RefusalCode JudgeChain(
    size_t depth, const std::function<void(x509::CertificateSpec&)>& change,
    const SimulatedGpu& gpu = Hopper()) {
  return Judge(Good(gpu.Reissued(Hierarchy::kDevice, depth, change)), gpu);
}

}  // namespace kms::nvidia

#endif  // TESTS_CONFORMANCE_NVIDIA_FIXTURE_H_
