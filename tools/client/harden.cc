#include "tools/client/harden.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace kms::client {

absl::Status Harden() {
  const rlimit no_core = {0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0 ||
      prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
    return absl::InternalError("harden: the system refused");
  }
  return absl::OkStatus();
}

}  // namespace kms::client
