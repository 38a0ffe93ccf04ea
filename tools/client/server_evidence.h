// What a server must prove before anything else is sent to it: Evidence of its
// own over a fresh nonce, the key of the TLS session and the key that signs its
// receipts, judged here by a policy document.
// Source: proto/kms/v1/server_evidence.proto; RFC 9334, section 10.
//
// What it does not prove: that the TLS key is nowhere else (kmsd's operator
// keeps it inside the TEE, or the proof is void), and what happens later: it is
// of the moment when it is asked.
// Thread-safe: immutable.
#ifndef TOOLS_CLIENT_SERVER_EVIDENCE_H_
#define TOOLS_CLIENT_SERVER_EVIDENCE_H_

#include <grpcpp/channel.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/document/policy.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::client {

struct ServerRequirementOptions {
  std::string policy;  // A document's file; empty: any TEE will do.
  std::vector<std::string> anchors;            // Further vendor roots' files.
  std::vector<std::string> simulated_anchors;  // Simulators' roots' files.
  // What was told out of band; empty: whatever the server says.
  std::string cluster_id = {};           // 16 bytes.
  std::string identity_public_key = {};  // 32 bytes.
};

// What a server showed over one connection, verified and bound to it.
struct ShownServer {
  v1::Claims claims;
  std::string certificate;     // Its TLS certificate, PEM: one, the leaf.
  std::string tls_key_digest;  // SHA-256 of that key's SubjectPublicKeyInfo.
  std::string cluster_id;
  std::string identity_public_key;
};

class ServerRequirement {
 public:
  // Refusal POLICY_INVALID; LoadAnchors; or a file cannot be read.
  static absl::StatusOr<ServerRequirement> Load(
      const ServerRequirementOptions& options);

  // Sends the question, and nothing else, over `channel`, and judges what comes
  // back as of `now`. In this order:
  //   refusals of GetServerEvidence
  //   IntegrityError: not the pinned cluster or identity key
  //   those of policy::VerifyBundle
  //   EVIDENCE_NOT_BOUND: made for another nonce, TLS key, cluster or identity
  //     key: old, or of another server than the one that ends this TLS session
  //   those of policy::Appraise, if there is a policy; `request.purpose` is
  //     "server" in its rules
  // kUnavailable, kDeadlineExceeded: no answer.
  absl::StatusOr<ShownServer> Ask(const std::shared_ptr<grpc::Channel>& channel,
                                  absl::Time now) const;

 private:
  ServerRequirement(ServerRequirementOptions options,
                    policy::TrustAnchors anchors,
                    std::optional<policy::CompiledPolicy> policy);

  absl::Status CheckPins(const ShownServer& shown) const;
  absl::Status Appraise(const v1::Claims& claims, absl::Time now) const;

  ServerRequirementOptions options_;
  policy::TrustAnchors anchors_;
  std::optional<policy::CompiledPolicy> policy_;
};

}  // namespace kms::client

#endif  // TOOLS_CLIENT_SERVER_EVIDENCE_H_
