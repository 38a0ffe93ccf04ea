// An evidence bundle read from disk: bundle.json and the files beside it.
// Thread-safe: a free function.
#ifndef KMS_ATTESTER_BUNDLE_FILE_H_
#define KMS_ATTESTER_BUNDLE_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "policy/bundle/bundle.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::attester {

struct Bundle {
  policy::BundleIndex index;
  v1::EvidenceBundle evidence;
};

// `path`: of bundle.json. Files are read only from its own folder.
// kInvalidArgument: ParseBundleIndex. kResourceExhausted: a file is over its
// documented bound. Others: a file cannot be read.
absl::StatusOr<Bundle> ReadBundle(const std::string& path);

}  // namespace kms::attester

#endif  // KMS_ATTESTER_BUNDLE_FILE_H_
