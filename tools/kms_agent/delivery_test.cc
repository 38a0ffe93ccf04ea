#include "tools/kms_agent/delivery.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "kms/base/secret_access.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::agent {
namespace {

using client::ExitCode;
using client::ExitCodeOf;

constexpr char kKey[] = "MARKED-KEY-MATERIAL";

Secret Key() { return *Secret::CopyOf(AsBytes(kKey), GrantSecretAccess()); }

// A folder on tmpfs (/dev/shm), removed at the end.
class Folder {
 public:
  Folder() { EXPECT_NE(mkdtemp(path_.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_ = "/dev/shm/delivery_test." + std::string(6, 'X');
};

std::string ReadAll(int fd) {
  std::string all;
  char piece[64];
  for (ssize_t got; (got = read(fd, piece, sizeof(piece))) > 0;) {
    all.append(piece, static_cast<size_t>(got));
  }
  return all;
}

std::string ReadFromSocket(const std::string& path) {
  const client::Fd peer(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(connect(peer.get(), reinterpret_cast<const sockaddr*>(&address),
                    sizeof(address)),
            0);
  return ReadAll(peer.get());
}

TEST(FdDelivery, WritesTheKeyAndClosesThePipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const client::Fd reader(ends[0]);
  const auto delivery = OpenDelivery(absl::StrCat("fd:", ends[1]), {});
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  ASSERT_TRUE((*delivery)->Deliver(Key()).ok());
  EXPECT_EQ(ReadAll(reader.get()), kKey);  // Ends only because it was closed.
}

TEST(FdDelivery, RefusesADescriptorThatCannotTakeTheKey) {
  const client::Fd read_only(open("/dev/null", O_RDONLY));
  for (const std::string& output :
       {absl::StrCat("fd:", read_only.get()), std::string("fd:999"),
        std::string("fd:0"), std::string("fd:2"), std::string("fd:-1"),
        std::string("fd:x"), std::string("fd:")}) {
    EXPECT_EQ(ExitCodeOf(OpenDelivery(output, {}).status()), ExitCode::kUsage)
        << output;
  }
}

TEST(FileDelivery, PutsAPrivateFileInPlaceAtOnce) {
  const Folder folder;
  ASSERT_TRUE(client::WriteFile(folder / "key", AsBytes("old")).ok());
  const auto delivery = OpenDelivery("file:" + (folder / "key"), {});
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  EXPECT_EQ(*client::ReadFile(folder / "key", 100), "old");
  ASSERT_TRUE((*delivery)->Deliver(Key()).ok());
  EXPECT_EQ(*client::ReadFile(folder / "key", 100), kKey);
  struct stat facts;
  ASSERT_EQ(stat((folder / "key").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_EQ(folder.files(), 1u);
}

TEST(FileDelivery, ReplacesALinkInsteadOfFollowingIt) {
  const Folder folder;
  ASSERT_TRUE(client::WriteFile(folder / "target", AsBytes("old")).ok());
  std::filesystem::create_symlink(folder / "target", folder / "key");
  const auto delivery = OpenDelivery("file:" + (folder / "key"), {});
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  ASSERT_TRUE((*delivery)->Deliver(Key()).ok());
  EXPECT_EQ(*client::ReadFile(folder / "target", 100), "old");
  EXPECT_FALSE(std::filesystem::is_symlink(folder / "key"));
}

TEST(FileDelivery, RefusesAFileSystemThatIsNotMemory) {
  // procfs stands in for a disk: what it is, the machine decides nowhere else.
  const auto delivery = OpenDelivery("file:/proc/key", {});
  EXPECT_EQ(delivery.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ExitCodeOf(delivery.status()), ExitCode::kFailed);
}

TEST(FileDelivery, GoesToAnyFileSystemWhenAllowed) {
  const std::string path = ::testing::TempDir() + "allowed-key";
  const auto delivery = OpenDelivery("file:" + path, {.allow_disk = true});
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  ASSERT_TRUE((*delivery)->Deliver(Key()).ok());
  EXPECT_EQ(*client::ReadFile(path, 100), kKey);
}

TEST(FileDelivery, RefusesPathsWithoutAFileOrFolder) {
  for (const char* output : {"file:", "file:/dev/shm/", "file:/dev/shm/.."}) {
    EXPECT_EQ(ExitCodeOf(OpenDelivery(output, {}).status()), ExitCode::kUsage)
        << output;
  }
  EXPECT_EQ(OpenDelivery("file:/dev/shm/none/key", {}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(SocketDelivery, GivesTheKeyToOneReaderAndGoesAway) {
  const Folder folder;
  const std::string path = folder / "socket";
  auto delivery = OpenDelivery("credential-socket:" + path, {});
  ASSERT_TRUE(delivery.ok()) << delivery.status();
  struct stat facts;
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  std::string got;
  std::thread reader([&] { got = ReadFromSocket(path); });
  EXPECT_TRUE((*delivery)->Deliver(Key()).ok());
  reader.join();
  EXPECT_EQ(got, kKey);
  delivery->reset();
  EXPECT_EQ(folder.files(), 0u);
}

TEST(SocketDelivery, ServesEveryReaderWhenToldTo) {
  const Folder folder;
  const std::string path = folder / "socket";
  // Lives as long as the test program: a server that is never told to stop.
  static Delivery* const delivery =
      OpenDelivery("credential-socket:" + path, {.serve = true})->release();
  std::thread([] {
    const Secret key = Key();
    (void)delivery->Deliver(key);
  }).detach();
  EXPECT_EQ(ReadFromSocket(path), kKey);
  EXPECT_EQ(ReadFromSocket(path), kKey);
  EXPECT_EQ(ReadFromSocket(path), kKey);
}

TEST(SocketDelivery, ReplacesAStaleSocketButNoOtherFile) {
  const Folder folder;
  const std::string path = folder / "socket";
  {
    // What a killed agent leaves behind.
    const client::Fd stale(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(stale.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address)),
              0);
  }
  EXPECT_TRUE(OpenDelivery("credential-socket:" + path, {}).ok());
  ASSERT_TRUE(client::WriteFile(folder / "file", AsBytes("mine")).ok());
  EXPECT_FALSE(OpenDelivery("credential-socket:" + (folder / "file"), {}).ok());
  EXPECT_EQ(*client::ReadFile(folder / "file", 100), "mine");
}

TEST(SocketDelivery, RefusesAPathThatDoesNotFit) {
  EXPECT_EQ(
      ExitCodeOf(OpenDelivery("credential-socket:/" + std::string(200, 'a'), {})
                     .status()),
      ExitCode::kUsage);
}

TEST(OpenDelivery, KnowsNoOtherForm) {
  for (const char* output : {"", "stdout", "/dev/shm/key", "FILE:/x"}) {
    EXPECT_EQ(ExitCodeOf(OpenDelivery(output, {}).status()), ExitCode::kUsage)
        << output;
  }
}

}  // namespace
}  // namespace kms::agent
