// Makes a cluster in an empty directory: keyring, identities, seal and instance
// files, and a log that begins with Genesis.
// Source: architecture.md, "Shared log" (Genesis), "Seals".
// Thread-safe: a free function over its own directory.
#ifndef KMS_SEAL_NEW_CLUSTER_H_
#define KMS_SEAL_NEW_CLUSTER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/clock.h"
#include "kms/base/secret.h"
#include "kms/seal/ceremony.h"
#include "kms/seal/instance_file.h"
#include "kms/seal/keep_root.h"
#include "kms/seal/seal_file.h"
#include "storage/log/etcd/etcd_log.h"

namespace kms::seal {

// Names inside the data directory ...
inline constexpr char kClusterName[] = "cluster";
inline constexpr char kUnfinishedName[] = "cluster.new";
// ... and inside a cluster's directory.
inline constexpr char kSealFileName[] = "seal";
inline constexpr char kInstanceFileName[] = "instance";
inline constexpr char kNextInstanceFileName[] = "instance.next";
inline constexpr char kCheckpointFileName[] = "checkpoint";
inline constexpr char kEvidenceName[] = "evidence";
inline constexpr char kStateName[] = "state";  // Others: log_store.h.
inline constexpr char kNewStateName[] = "state.new";

struct NewClusterOptions {
  std::string directory;  // Exists, empty.
  RootKeeping keeping;    // Its device outlives the call.
  std::string principal;  // Who asked for it, for the first leaf.
  std::optional<storage::EtcdLogOptions> etcd;  // Nothing: a local log.
  const Clock* clock = nullptr;
};

struct NewCluster {
  SealFile seal;
  InstanceFile instance;
  OpenedSeal opened;
  std::vector<Secret> share_texts;
};

// Takes `root` (32 random bytes) and fills the directory; the seal file is
// written last. Nothing is open when it returns.
// ALREADY_INITIALIZED: the log in etcd was begun by another instance.
// Others: KeepRoot's, the disk's and the log's.
absl::StatusOr<NewCluster> MakeCluster(const NewClusterOptions& options,
                                       Secret root);

}  // namespace kms::seal

#endif  // KMS_SEAL_NEW_CLUSTER_H_
