#include "tests/integration/swtpm_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/integration/shell.h"

namespace kms::testing {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(60);

bool Connects(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected =
      connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return connected;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SwtpmProcess>> SwtpmProcess::Start(
    const std::string& folder) {
  std::unique_ptr<SwtpmProcess> tpm(new SwtpmProcess(folder));
  const std::string state = absl::StrCat("dir=", tpm->path("state"));
  const std::string socket = tpm->path("tpm");
  const std::string server = absl::StrCat("type=unixio,path=", socket);
  const std::string control =
      absl::StrCat("type=unixio,path=", socket, ".ctrl");
  if (mkdir(tpm->path("state").c_str(), 0700) != 0) {
    return absl::InternalError("cannot make the TPM's state folder");
  }
  tpm->pid_ = fork();
  if (tpm->pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // Also where the test crashes.
    const int out =
        open(tpm->path("swtpm.out").c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state.c_str(),
           "--server", server.c_str(), "--ctrl", control.c_str(), "--flags",
           "not-need-init,startup-clear", nullptr);
    _exit(127);
  }
  const absl::Time give_up = absl::Now() + kStartTimeout;
  while (absl::Now() < give_up) {
    if (waitpid(tpm->pid_, nullptr, WNOHANG) == tpm->pid_) {
      tpm->pid_ = -1;
      return absl::InternalError("swtpm ended at once: see swtpm.out");
    }
    if (!Connects(socket + ".ctrl")) continue;
    // The control socket stands before the other one answers; a tool waits.
    if (tpm->Run("tpm2_getcap properties-fixed >getcap.out").ok()) return tpm;
  }
  return absl::DeadlineExceededError("swtpm: no answer");
}

SwtpmProcess::~SwtpmProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string SwtpmProcess::environment() const {
  return absl::StrCat("export TPM2TOOLS_TCTI=swtpm:path=", path("tpm"));
}

absl::Status SwtpmProcess::Run(const std::string& lines) const {
  std::string script =
      absl::StrCat("set -e; ", environment(), "; cd ", folder_, "\n");
  for (absl::string_view line :
       absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    absl::StrAppend(&script, line, "\ntpm2_flushcontext -t\n");
  }
  const CommandResult result = RunShell(absl::StrCat("( ", script, " )"));
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(lines, ": exit ", result.exit_code, "\n", result.output));
}

}  // namespace kms::testing
