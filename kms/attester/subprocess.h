// Runs one program to its end, with a time limit.
// Thread-safe: a free function.
#ifndef KMS_ATTESTER_SUBPROCESS_H_
#define KMS_ATTESTER_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace kms::attester {

// `arguments[0]` is the program's absolute path; no shell and no PATH search.
// It gets /dev/null as its input, our standard error as both outputs, no other
// file descriptor of ours, and a process group of its own, which is killed
// when `timeout` has passed.
// kInvalidArgument: no absolute path. kNotFound, kPermissionDenied: it cannot
// be run. kDeadlineExceeded: killed. kFailedPrecondition: it failed; the
// message has its exit code or signal.
absl::Status RunProgram(const std::vector<std::string>& arguments,
                        absl::Duration timeout);

}  // namespace kms::attester

#endif  // KMS_ATTESTER_SUBPROCESS_H_
