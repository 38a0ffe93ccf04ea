// What kms-agent is to do: from a YAML file, from flags, or both, flags
// winning. The file is part of what a machine measures at boot, because it
// pins the cluster.
//
//   endpoints: ["kms1.example:7443", "kms2.example:7443"]
//   ca: /etc/kms/ca.pem
//   cluster_id: 00112233445566778899aabbccddeeff
//   identity_key: <64 hex digits>
//   namespace: default                       # optional
//   key: llama-weights
//   version: 0                               # optional; 0 is the primary
//   blob: /models/llama.blob                 # a wrapping key's: its data key
//   artifact_digest: <64 hex digits>         # if key or blob is bound to one
//   attester_command: /usr/lib/kms/attester  # or  attester: sev-snp or tdx
//   attester_timeout: 30s                    # optional
//   output: file:/run/keys/llama-weights
//   receipt: /var/lib/kms/llama-weights.receipt   # optional
//   retry_for: 5m                            # optional
//   server_evidence:                         # optional: send nothing to a
//     policy: /etc/kms/kmsd.yaml             # server before this document
//     anchors: [/etc/kms/root.pem]           # allows its own Evidence; roots
//     simulated_anchors: []                  # beside the vendors', optional
// Thread-safe: free functions.
#ifndef TOOLS_KMS_AGENT_CONFIG_H_
#define TOOLS_KMS_AGENT_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/attester/make_attester.h"
#include "tools/client/server_evidence.h"

namespace kms::agent {

struct Config {
  std::vector<std::string> endpoints;
  std::string ca;
  std::string cluster_id;    // 32 hex digits.
  std::string identity_key;  // 64 hex digits.
  std::string name_space;
  std::string key;
  uint32_t version = 0;
  std::string blob;              // A file.
  std::string artifact_digest;   // 64 hex digits.
  std::string attester;          // "sev-snp", "tdx", or empty ...
  std::string attester_command;  // ... for this program.
  std::string attester_timeout = "30s";
  std::string output;
  std::string receipt;
  std::string retry_for = "5m";
  client::ServerRequirementOptions server;  // No policy: nothing is required.
};

// A configuration document over the defaults.
// UsageError: not YAML, an unknown or repeated field, or a value of another
// kind; the message names the field.
absl::StatusOr<Config> ParseConfig(absl::string_view yaml);

// The same with every field judged and the text forms resolved.
struct Plan {
  Config config;
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes.
  std::string artifact_digest;      // 32 bytes, or empty.
  attester::AttesterOptions attester;
  absl::Duration retry_for;
  client::ServerRequirementOptions server;  // With the pins.
};

// UsageError: a field is missing or ill-formed, or both or neither Attester is
// named.
absl::StatusOr<Plan> Resolve(const Config& config);

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_CONFIG_H_
