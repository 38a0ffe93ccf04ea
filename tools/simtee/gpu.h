// A simulated NVIDIA GPU or NVSwitch: device and manifest hierarchies of its
// own in NVIDIA's exact shapes, reports and signed manifests in NVIDIA's exact
// formats. What it signs verifies only where its two roots are configured as a
// simulator's anchors, and shows in Claims as simulated.
// Sources: those of policy/nvidia/report.h, device_certificate.h and rim.h.
// Thread-compatible. For tests and the program simtee; no server links it.
#ifndef TOOLS_SIMTEE_GPU_H_
#define TOOLS_SIMTEE_GPU_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"
#include "policy/nvidia/report.h"
#include "policy/nvidia/rim.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

struct GpuOptions {
  std::string chip = "GH100";  // Or "GB100"; "LS10" is a switch.
  bool debug = false;          // A debug device; only Blackwell's can say so.
  std::string driver_version = "550.90.07";
  std::string vbios_version = "96.00.9F.00.01";
  absl::Time not_before;
  absl::Time not_after;
};

// A manifest before it is signed: by manifest index, which is SPDM's minus one.
struct RimSpec {
  std::string product, version;
  std::map<uint32_t, std::vector<std::string>> active;
  uint32_t count = 64;  // What is not active is listed as such.
  std::string tag_version = "0", revision = "r1";
};

class SimulatedGpu {
 public:
  // The hierarchies, each from the leaf up. The device's: leaf, BROM,
  // provisioner, identity, root. The manifests': signer, two CAs, root.
  enum class Hierarchy { kDevice, kManifest };

  static SimulatedGpu Create(const GpuOptions& options);
  // Another device under the same roots, of the same options.
  SimulatedGpu Sibling() const;

  // What Save wrote. kNotFound or kInvalidArgument otherwise.
  static absl::StatusOr<SimulatedGpu> Load(const std::string& folder);

  // Writes simulated-gpu-root.pem and simulated-gpu-rim-root.pem (the anchors
  // to configure), certificates and private keys into an existing folder.
  absl::Status Save(const std::string& folder) const;

  // `nonce`: 32 bytes. A report as its driver and VBIOS make it, not signed.
  nvidia::UnverifiedReport MakeReport(BytesView nonce) const;
  // The report's bytes with a signature that verifies.
  std::string Sign(const nvidia::UnverifiedReport& report) const;
  // The same for bytes of a test's own making, without signature.
  std::string SignBytes(const std::string& signed_bytes) const;

  // What the manifest of this device's driver (a switch has none) or VBIOS
  // holds: between them, every measurement but one that stays inactive.
  RimSpec MakeRim(nvidia::RimKind kind) const;
  // The signed document.
  std::string SignRim(const RimSpec& spec) const;
  // The root element of `spec` in canonical form, and the signature that goes
  // before its end tag: for tests that lie in the one or the other.
  static std::string RimBody(const RimSpec& spec);
  std::string RimSignature(const std::string& body) const;
  static std::string JoinRim(const std::string& body,
                             const std::string& signature);

  // A signed report with its chain and its manifests.
  v1::Evidence Attest(BytesView nonce) const;
  // The same around a given report file.
  v1::Evidence Wrap(const std::string& report) const;

  // "simulated-gpu-root" and "simulated-gpu-rim-root".
  std::vector<policy::TrustAnchor> Anchors() const;

  bool is_switch() const { return options_.chip == "LS10"; }
  const GpuOptions& options() const { return options_; }
  const std::vector<x509::Certificate>& path(Hierarchy hierarchy) const {
    return chain(hierarchy).certificates;
  }
  const x509::IssuerKey& key(Hierarchy hierarchy, size_t depth) const {
    return chain(hierarchy).keys[depth];
  }
  std::string CertChainPem() const;  // Leaf first.

  // This device with one certificate issued anew, with a lie in it that still
  // parses. Those below stay as they are: their issuer keeps its key.
  SimulatedGpu Reissued(
      Hierarchy hierarchy, size_t depth,
      const std::function<void(x509::CertificateSpec&)>& change) const;

 private:
  struct Chain {
    std::vector<x509::IssuerKey> keys;
    std::vector<x509::Certificate> certificates;
  };

  explicit SimulatedGpu(GpuOptions options) : options_(std::move(options)) {}
  const Chain& chain(Hierarchy hierarchy) const {
    return hierarchy == Hierarchy::kDevice ? device_ : manifest_;
  }
  x509::CertificateSpec Spec(Hierarchy hierarchy, size_t depth) const;
  void Issue(Hierarchy hierarchy, size_t depth);
  std::string Measured(uint32_t index) const;

  GpuOptions options_;
  Chain device_, manifest_;
};

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_GPU_H_
