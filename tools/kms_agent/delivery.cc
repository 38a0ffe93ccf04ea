#include "tools/kms_agent/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::agent {
namespace {

using client::ErrnoError;
using client::Fd;
using client::UsageError;

class FdDelivery : public Delivery {
 public:
  explicit FdDelivery(Fd fd) : fd_(std::move(fd)) {}

  static absl::StatusOr<std::unique_ptr<Delivery>> Open(
      absl::string_view number) {
    int fd = -1;
    if (!absl::SimpleAtoi(number, &fd) || fd < 1 || fd == 2) {
      return UsageError("output fd: want a number above 0, and not 2");
    }
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
      return UsageError("output fd: not open for writing");
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return std::make_unique<FdDelivery>(Fd(fd));
  }

  absl::Status Deliver(const Secret& key) override {
    KMS_RETURN_IF_ERROR(
        client::WriteAll(fd_.get(), key.Expose(GrantSecretAccess())));
    // Closing tells the reader of a pipe that this was all.
    if (close(fd_.Release()) != 0) return absl::ErrnoToStatus(errno, "close");
    return absl::OkStatus();
  }

 private:
  Fd fd_;
};

// Memory file systems: what is written there never reaches a disk but through
// swap, which an operator of such a machine encrypts or turns off.
bool InMemory(const struct statfs& facts) {
  const auto type = static_cast<uint32_t>(facts.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

class FileDelivery : public Delivery {
 public:
  FileDelivery(Fd folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)) {}

  static absl::StatusOr<std::unique_ptr<Delivery>> Open(const std::string& path,
                                                        bool allow_disk) {
    const size_t slash = path.rfind('/');
    const std::string name =
        slash == std::string::npos ? path : path.substr(slash + 1);
    if (name.empty() || name == "." || name == "..") {
      return UsageError("output file: want a path that ends in a file's name");
    }
    const std::string folder_path =
        slash == std::string::npos ? "." : path.substr(0, slash + 1);
    // Everything afterwards is relative to this descriptor: the folder that
    // was judged is the folder that is written to.
    Fd folder(open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) return ErrnoError("open", folder_path);
    struct statfs facts;
    if (fstatfs(folder.get(), &facts) != 0) {
      return ErrnoError("statfs", folder_path);
    }
    if (!allow_disk && !InMemory(facts)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "output file: ", folder_path,
          " is not tmpfs or ramfs; a key on a disk outlives its lease "
          "(--allow-disk to do it all the same)"));
    }
    if (faccessat(folder.get(), ".", W_OK, AT_EACCESS) != 0) {
      return ErrnoError("write to", folder_path);
    }
    return std::make_unique<FileDelivery>(std::move(folder), name);
  }

  absl::Status Deliver(const Secret& key) override {
    const std::string temporary =
        absl::StrCat(".", Hex(crypto::RandomString(8)));
    Fd file(openat(folder_.get(), temporary.c_str(),
                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) return ErrnoError("create", name_);
    absl::Cleanup remove = [&] {
      unlinkat(folder_.get(), temporary.c_str(), 0);
    };
    KMS_RETURN_IF_ERROR(
        client::WriteAll(file.get(), key.Expose(GrantSecretAccess())));
    if (fsync(file.get()) != 0) return ErrnoError("sync", name_);
    if (renameat(folder_.get(), temporary.c_str(), folder_.get(),
                 name_.c_str()) != 0) {
      return ErrnoError("rename", name_);
    }
    std::move(remove).Cancel();
    return absl::OkStatus();
  }

 private:
  Fd folder_;
  const std::string name_;
};

class SocketDelivery : public Delivery {
 public:
  SocketDelivery(Fd socket, std::string path, bool serve)
      : socket_(std::move(socket)), path_(std::move(path)), serve_(serve) {}
  ~SocketDelivery() override { unlink(path_.c_str()); }

  static absl::StatusOr<std::unique_ptr<Delivery>> Open(const std::string& path,
                                                        bool serve) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
      return UsageError("output socket: the path is empty or too long");
    }
    path.copy(address.sun_path, path.size());
    // A socket left by an earlier run goes; anything else stays, and bind
    // fails.
    struct stat facts;
    if (lstat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode)) {
      unlink(path.c_str());
    }
    Fd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener.valid()) return absl::ErrnoToStatus(errno, "socket");
    if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
             sizeof(address)) != 0) {
      return ErrnoError("bind", path);
    }
    auto delivery =
        std::make_unique<SocketDelivery>(std::move(listener), path, serve);
    // Nobody can connect before listen, so the mode is in time.
    if (chmod(path.c_str(), 0600) != 0) return ErrnoError("chmod", path);
    if (listen(delivery->socket_.get(), 8) != 0) {
      return ErrnoError("listen", path);
    }
    return delivery;
  }

  absl::Status Deliver(const Secret& key) override {
    for (;;) {
      const Fd peer(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!peer.valid()) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return ErrnoError("accept", path_);
      }
      if (!MayHaveTheKey(peer.get())) continue;
      const timeval patience = {5, 0};
      setsockopt(peer.get(), SOL_SOCKET, SO_SNDTIMEO, &patience,
                 sizeof(patience));
      const absl::Status given =
          client::WriteAll(peer.get(), key.Expose(GrantSecretAccess()));
      // A reader that went away has not taken the key; the next one may.
      if (given.ok() && !serve_) return absl::OkStatus();
    }
  }

 private:
  static bool MayHaveTheKey(int peer) {
    ucred who;
    socklen_t size = sizeof(who);
    return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
  }

  Fd socket_;
  const std::string path_;
  const bool serve_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Delivery>> OpenDelivery(
    const std::string& output, const DeliveryOptions& options) {
  absl::string_view rest = output;
  if (absl::ConsumePrefix(&rest, "fd:")) return FdDelivery::Open(rest);
  if (absl::ConsumePrefix(&rest, "file:")) {
    return FileDelivery::Open(std::string(rest), options.allow_disk);
  }
  if (absl::ConsumePrefix(&rest, "credential-socket:")) {
    return SocketDelivery::Open(std::string(rest), options.serve);
  }
  return UsageError(
      "output: want fd:NUMBER, file:PATH or credential-socket:PATH");
}

}  // namespace kms::agent
