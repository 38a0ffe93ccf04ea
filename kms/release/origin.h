// The origin line of this project's checkpoints (C2SP tlog-checkpoint): one
// name for each life of a cluster's log, so that a restored cluster cannot
// continue the old tree under the old name.
#ifndef KMS_RELEASE_ORIGIN_H_
#define KMS_RELEASE_ORIGIN_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"

namespace kms::release {

// "kms.v1/<cluster id as hex>/<epoch>".
inline std::string CheckpointOrigin(BytesView cluster_id, uint64_t epoch) {
  return absl::StrCat("kms.v1/", Hex(cluster_id), "/", epoch);
}

}  // namespace kms::release

#endif  // KMS_RELEASE_ORIGIN_H_
