#include "kms/server/hardening.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"

namespace kms::server {

absl::Status HardenProcess() {
  umask(S_IRWXG | S_IRWXO);
  // Not dumpable also means: /proc/self/mem belongs to root, and only
  // CAP_SYS_PTRACE may attach.
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return absl::UnavailableError(
        absl::StrCat("prctl: cannot clear dumpable (errno ", errno, ")"));
  }
  const rlimit none = {0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    return absl::UnavailableError(
        absl::StrCat("setrlimit: cannot forbid cores (errno ", errno, ")"));
  }
  // A client that hangs up must not end the process.
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  if (sigaction(SIGPIPE, &ignore, nullptr) != 0) {
    return absl::UnavailableError("sigaction: cannot ignore SIGPIPE");
  }
  return absl::OkStatus();
}

absl::Status CheckLockedMemory() {
  // Trying is the only honest question: CAP_IPC_LOCK, user namespaces and what
  // is locked already all change the answer of getrlimit.
  void* const probe = mmap(nullptr, kLockedBytesMin, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (probe == MAP_FAILED) {
    return absl::UnavailableError("mmap: no memory");
  }
  const bool locked = mlock(probe, kLockedBytesMin) == 0;
  munmap(probe, kLockedBytesMin);
  if (locked) return absl::OkStatus();
  rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return absl::FailedPreconditionError(absl::StrCat(
      "locked memory: the limit is ", limit.rlim_cur, " bytes, want at least ",
      kLockedBytesMin,
      " so that keys are never swapped; set LimitMEMLOCK= in the unit, or "
      "ulimit -l"));
}

}  // namespace kms::server
