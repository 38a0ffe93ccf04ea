// A simulated AWS Nitro hypervisor: a hierarchy of its own in AWS's shapes,
// and documents in AWS's exact format. What it signs verifies only where its
// root is configured as a simulator's anchor, and shows in Claims as
// simulated.
// Source: AWS, "Nitro Enclaves Attestation Process".
// Thread-compatible. For tests; no server links it.
#ifndef TOOLS_SIMTEE_NITRO_H_
#define TOOLS_SIMTEE_NITRO_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"
#include "policy/nitro/document.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

class SimulatedNitro {
 public:
  // `launch`: from when its one enclave's certificate is in force, for three
  // hours. The root lives thirty years, what is between them a day.
  static SimulatedNitro Create(absl::Time launch);

  // What the enclave asks to have signed, an hour after its launch.
  nitro::UnverifiedDocument MakeDocument(absl::string_view nonce) const;

  // The envelope around a payload, with a signature that verifies.
  std::string Sign(absl::string_view payload) const;
  // r, s over a payload with other protected headers than AWS's.
  std::string Signature(absl::string_view protected_header,
                        absl::string_view payload) const;

  v1::Evidence Attest(absl::string_view nonce) const;
  // The same around a given file.
  static v1::Evidence Wrap(const std::string& file);

  policy::TrustAnchor Anchor() const;  // "simulated-nitro-root".

  // Root, instance, leaf: for tests that issue one anew with one lie in it.
  struct Node {
    x509::CertificateSpec spec;
    x509::IssuerKey key;
    std::string der;
  };
  const Node& root() const { return nodes_[0]; }
  const Node& instance() const { return nodes_[1]; }
  const Node& leaf() const { return nodes_[2]; }

 private:
  SimulatedNitro() = default;

  std::vector<Node> nodes_;  // Root first.
  absl::Time launch_;
};

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_NITRO_H_
