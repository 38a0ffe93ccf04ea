// The configuration of kmsd: one YAML file, read whole and judged whole before
// anything starts. Every fault is reported at once, each with its line and
// column; an unknown key is a fault. What decides about security has no
// default. kmsd.example.yaml documents every key.
//
// Thread-safe: free functions over values. It opens no file that the
// configuration names.
#ifndef KMS_SERVER_CONFIG_H_
#define KMS_SERVER_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/attester/make_attester.h"
#include "kms/seal/seal_file.h"
#include "kms/seal/seal_options.h"

namespace kms::server {

// The file is read into memory before it is judged.
inline constexpr size_t kConfigBytesMax = 64 * 1024;

struct TlsFiles {
  std::string certificate;        // PEM: the server's, then its chain.
  std::string private_key;        // PEM, mode 0600.
  std::string administrators_ca;  // PEM: who issues administrators.
};

struct Limits {
  // Requests being worked on at once, over all clients.
  uint32_t requests_in_flight = 256;
  // Calls a second of one client address, averaged over ten seconds.
  double challenges_per_second = 20;
  double releases_per_second = 10;
  // Of one request; a bound per part comes on top.
  uint32_t request_bytes = 4 * 1024 * 1024;
};

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// What to do when the state can no longer be trusted or reached for good.
enum class OnFatal {
  kAnswerStatus,  // Refuse everything else, keep answering status and health.
  kExit,          // End with an error, for a supervisor that restarts.
};

// An operator's own HTTPS server that has the vendors' files.
struct CollateralMirror {
  std::string url;      // "https://host[:port]/path/", empty: none, no fetch.
  std::string ca_file;  // PEM: who issues its certificate.
  absl::Duration interval = absl::Hours(1);
};

struct CollateralConfig {
  // How old collateral may be, by role (policy/collateral/age.h); it can only
  // be refused earlier than by its own next update.
  std::map<std::string, absl::Duration> max_ages;
  CollateralMirror mirror;
};

// A cluster's log. Without it the log is this instance's own, on its disk.
struct EtcdConfig {
  std::vector<std::string> endpoints;  // "host:port", tried in turn.
  std::string ca_file;                 // PEM: who issues etcd's certificates.
  std::string certificate_file;        // PEM: what this instance shows etcd.
  std::string key_file;                // PEM, mode 0600.
  std::string prefix = "kms";          // All keys begin with it and a slash.
};

// This instance among others. Local configuration can only narrow what the
// state allows, and says how to reach whom.
struct ClusterConfig {
  std::string listen;              // For peers, "host:port"; empty: no cluster.
  std::vector<std::string> peers;  // The others' "host:port".
  std::string certificate;         // PEM, for both ends of a connection ...
  std::string private_key;         // ... and its key, mode 0600.
  std::string ca;                  // PEM: who issues instances.
  bool majority_guard = false;     // Release only what most confirm.
  // Admits machines without Evidence, and is this one's way in if `join` names
  // a cluster. Empty: nobody. A file of 16 to 4096 bytes, mode 0600.
  std::string development_token_file;
  // Of the cluster to join, as init printed them; empty: this instance starts
  // one, or has joined.
  std::string join_cluster_id;    // 16 bytes.
  std::string join_identity_key;  // 32 bytes.
};

struct Config {
  std::vector<std::string> listen;  // "host:port", at least one.
  std::string data_dir;             // Absolute.
  TlsFiles tls;
  // Names of certificates (SAN URI or common name) that may administer. Must
  // be written down; empty admits every certificate of the administrators' CA.
  std::vector<std::string> administrators;
  seal::SealOptions seal;
  // Where the root key is until a rekey moves it to `seal`; of another kind.
  std::optional<seal::SealOptions> seal_before;
  std::vector<std::string> simulated_anchors;
  CollateralConfig collateral;
  // How this instance proves what it runs on: to those whom it joins, and to
  // clients who ask. Default: it cannot.
  attester::AttesterOptions attester;
  ClusterConfig cluster;
  Limits limits;
  // How long judged Evidence is kept, encrypted, for auditors; zero: not.
  absl::Duration evidence_retention = absl::Hours(720);
  // The shortest wait before a key version is destroyed; over zero, none is
  // destroyed at once.
  absl::Duration destruction_wait_min = absl::ZeroDuration();
  // The whole stored state is read and checked at most this often.
  absl::Duration scrub_interval = absl::Hours(24);
  absl::Duration challenge_ttl = absl::Minutes(5);
  LogLevel log_level = LogLevel::kInfo;
  std::string log_file;  // Empty: standard error.
  std::optional<EtcdConfig> etcd;
  std::string metrics_listen;  // "host:port"; empty: no metrics.
  absl::Duration drain_timeout = absl::Seconds(20);
  OnFatal on_fatal = OnFatal::kAnswerStatus;
};

// `file` is only named in messages: "`file`:12:3: limits.request_bytes: ...".
// kInvalidArgument: one line for each fault, in the order of the file.
absl::StatusOr<Config> ParseConfig(absl::string_view yaml,
                                   absl::string_view file);

// Reads the file at `path`. Codes of ParseConfig; kNotFound or kUnavailable if
// it cannot be read.
absl::StatusOr<Config> LoadConfig(const std::string& path);

}  // namespace kms::server

#endif  // KMS_SERVER_CONFIG_H_
