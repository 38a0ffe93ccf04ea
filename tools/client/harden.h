// What a program that holds key bytes does before anything else.
#ifndef TOOLS_CLIENT_HARDEN_H_
#define TOOLS_CLIENT_HARDEN_H_

#include "absl/status/status.h"

namespace kms::client {

// No core dumps, no ptrace and no /proc/self/mem for others of this user
// (PR_SET_DUMPABLE 0), and a closed pipe is an error, not a death.
// Call first in main, before threads. kInternal: the system refused.
absl::Status Harden();

}  // namespace kms::client

#endif  // TOOLS_CLIENT_HARDEN_H_
