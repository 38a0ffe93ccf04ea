#include "tools/kmsctl/secret_input.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

// UnsealRequest.share's bound.
constexpr size_t kShareBytesMax = 512;

// Reads to the end, or to the end of a line.
absl::StatusOr<Secret> ReadAll(int fd, const std::string& name,
                               size_t bytes_max, bool line) {
  // One byte more than allowed tells a full buffer from too much.
  KMS_ASSIGN_OR_RETURN(Secret buffer, Secret::Allocate(bytes_max + 1));
  const absl::Span<uint8_t> room = buffer.ExposeMutable(GrantSecretAccess());
  size_t size = 0;
  while (size < room.size()) {
    const ssize_t got = read(fd, room.data() + size, room.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return client::ErrnoError("read", name);
    if (got == 0) break;
    size += static_cast<size_t>(got);
    if (line && room[size - 1] == '\n') break;
  }
  if (size > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat(name, ": over ", bytes_max, " bytes"));
  }
  return Secret::CopyOf(room.subspan(0, size), GrantSecretAccess());
}

}  // namespace

absl::StatusOr<Secret> ReadSecretFile(const std::string& path,
                                      size_t bytes_max) {
  if (path == "-") return ReadAll(STDIN_FILENO, "stdin", bytes_max, false);
  absl::string_view number = path;
  if (absl::ConsumePrefix(&number, "fd:")) {
    int fd = -1;
    if (!absl::SimpleAtoi(number, &fd) || fcntl(fd, F_GETFD) < 0) {
      return client::UsageError("fd: want the number of an open descriptor");
    }
    return ReadAll(fd, path, bytes_max, false);
  }
  const client::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return client::ErrnoError("open", path);
  return ReadAll(file.get(), path, bytes_max, false);
}

absl::StatusOr<Secret> PromptSecret(const std::string& prompt,
                                    size_t bytes_max) {
  const client::Fd terminal(open("/dev/tty", O_RDWR | O_CLOEXEC));
  termios shown;
  if (!terminal.valid() || tcgetattr(terminal.get(), &shown) != 0) {
    return absl::FailedPreconditionError(
        "no terminal to ask at; give the share in a file or on stdin");
  }
  termios hidden = shown;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(terminal.get(), TCSAFLUSH, &hidden);
  const auto restore = absl::MakeCleanup([&] {
    tcsetattr(terminal.get(), TCSAFLUSH, &shown);
    (void)client::WriteAll(terminal.get(), AsBytes("\n"));
  });
  KMS_RETURN_IF_ERROR(client::WriteAll(terminal.get(), AsBytes(prompt)));
  return ReadAll(terminal.get(), "terminal", bytes_max, true);
}

absl::StatusOr<Secret> TrimSecret(const Secret& text) {
  const absl::string_view all = AsStringView(text.Expose(GrantSecretAccess()));
  return Secret::CopyOf(AsBytes(absl::StripAsciiWhitespace(all)),
                        GrantSecretAccess());
}

absl::StatusOr<Secret> ReadShare(const std::string& file) {
  const bool ask = file.empty() && isatty(STDIN_FILENO) == 1;
  absl::StatusOr<Secret> text =
      ask ? PromptSecret("share: ", kShareBytesMax)
          : ReadSecretFile(file.empty() ? "-" : file, kShareBytesMax);
  if (!text.ok()) return text.status();
  return TrimSecret(*text);
}

}  // namespace kms::kmsctl
