#include "kms/attester/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "kms/base/clock.h"
#include "kms/base/file.h"

namespace kms::attester {
namespace {

// posix_spawn, not fork: gRPC's threads run already.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& arguments) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  const auto free_files =
      absl::MakeCleanup([&files] { posix_spawn_file_actions_destroy(&files); });
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  // Standard output may be where the key goes: the program must not have it.
  posix_spawn_file_actions_adddup2(&files, 2, 1);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const auto free_attributes = absl::MakeCleanup(
      [&attributes] { posix_spawnattr_destroy(&attributes); });
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF |
                                            POSIX_SPAWN_SETPGROUP);

  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));  // Never written to.
  }
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawn(&child, argv[0], &files, &attributes, argv.data(), environ);
  if (error != 0) return absl::ErrnoToStatus(error, "attester: cannot be run");
  return child;
}

// True if `child` ended before `deadline`.
bool EndedBy(pid_t child, absl::Time deadline) {
  // Not <sys/pidfd.h>: in glibc 2.36 it cannot be used from C++.
  const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  if (!handle.valid()) return false;
  pollfd event = {handle.get(), POLLIN, 0};
  for (;;) {
    const absl::Duration left =
        std::max(deadline - SystemClock().Now(), absl::ZeroDuration());
    const int ready =
        poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0;
  }
}

}  // namespace

absl::Status RunProgram(const std::vector<std::string>& arguments,
                        absl::Duration timeout) {
  if (arguments.empty() || arguments[0].empty() || arguments[0][0] != '/') {
    return absl::InvalidArgumentError("attester: want an absolute path");
  }
  const absl::Time deadline = SystemClock().Now() + timeout;
  const absl::StatusOr<pid_t> child = Spawn(arguments);
  if (!child.ok()) return child.status();
  const bool in_time = EndedBy(*child, deadline);
  // Whatever it left running in its group ends with it. The child is not yet
  // waited for, so its number cannot have passed to somebody else.
  kill(-*child, SIGKILL);
  int state = 0;
  while (waitpid(*child, &state, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    return absl::DeadlineExceededError(absl::StrCat(
        "attester: not done after ", absl::FormatDuration(timeout)));
  }
  if (WIFSIGNALED(state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("attester: ended by signal ", WTERMSIG(state)));
  }
  if (WEXITSTATUS(state) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("attester: exit code ", WEXITSTATUS(state)));
  }
  return absl::OkStatus();
}

}  // namespace kms::attester
