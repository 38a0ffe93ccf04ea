#include "storage/log/etcd/testing.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace kms::storage {
namespace {

constexpr char kEtcd[] = "/usr/bin/etcd";
constexpr absl::Duration kPatience = absl::Seconds(60);

void RunOrDie(const std::string& command) {
  if (std::system((command + " 2>/dev/null").c_str()) != 0) {
    ADD_FAILURE() << command;
    std::abort();
  }
}

// Free a moment ago: nobody else is given it soon.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

std::string Url(int port) { return absl::StrCat("https://127.0.0.1:", port); }

}  // namespace

std::string ReadTestFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TestEtcd::TestEtcd(size_t members, std::vector<std::string> flags)
    : flags_(std::move(flags)), members_(members) {
  std::string name = testing::TempDir() + "/etcd.XXXXXX";
  directory_ = mkdtemp(name.data());
  MakeCertificates();
  for (Member& member : members_) {
    member.client_port = FreePort();
    member.peer_port = FreePort();
  }
  for (size_t i = 0; i < members; ++i) Spawn(i);
  for (size_t i = 0; i < members; ++i) AwaitServing(i);
}

TestEtcd::~TestEtcd() {
  for (size_t i = 0; i < members_.size(); ++i) Kill(i);
  std::filesystem::remove_all(directory_);
}

void TestEtcd::MakeCertificates() {
  const std::string at = directory_ + "/";
  const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
  RunOrDie("openssl req -x509 -days 2 -subj /CN=etcd-ca" + key + " -keyout " +
           at + "ca.key -out " + at + "ca.pem");
  std::ofstream(at + "extensions")
      << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  for (const char* name : {"server", "client"}) {
    const std::string file = at + name;
    RunOrDie("openssl req -subj /CN=" + std::string(name) + key + " -keyout " +
             file + ".key -out " + file + ".csr");
    RunOrDie("openssl x509 -req -days 2 -in " + file + ".csr -CA " + at +
             "ca.pem -CAkey " + at + "ca.key -CAcreateserial -extfile " + at +
             "extensions -out " + file + ".pem");
    chmod((file + ".key").c_str(), S_IRUSR | S_IWUSR);
  }
}

void TestEtcd::Spawn(size_t member) {
  std::string cluster;
  for (size_t i = 0; i < members_.size(); ++i) {
    absl::StrAppend(&cluster, i == 0 ? "" : ",", "m", i, "=",
                    Url(members_[i].peer_port));
  }
  Member& m = members_[member];
  const std::string certificate = directory_ + "/server.pem";
  const std::string key = directory_ + "/server.key";
  std::vector<std::string> words = {
      kEtcd,
      absl::StrCat("--name=m", member),
      absl::StrCat("--data-dir=", directory_, "/m", member),
      "--listen-client-urls=" + Url(m.client_port),
      "--advertise-client-urls=" + Url(m.client_port),
      "--listen-peer-urls=" + Url(m.peer_port),
      "--initial-advertise-peer-urls=" + Url(m.peer_port),
      "--initial-cluster=" + cluster,
      "--initial-cluster-token=" + directory_,
      "--client-cert-auth",
      "--peer-client-cert-auth",
      "--trusted-ca-file=" + ca_file(),
      "--peer-trusted-ca-file=" + ca_file(),
      "--cert-file=" + certificate,
      "--peer-cert-file=" + certificate,
      "--key-file=" + key,
      "--peer-key-file=" + key,
      "--heartbeat-interval=50",
      "--election-timeout=500",
      "--logger=zap"};
  words.insert(words.end(), flags_.begin(), flags_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = absl::StrCat(directory_, "/m", member, ".log");
  const int out =
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR);
  m.pid = fork();
  if (m.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(kEtcd, argv.data());
    _exit(127);
  }
  close(out);
}

void TestEtcd::AwaitServing(size_t member) const {
  const auto stub = etcdserverpb::KV::NewStub(grpc::CreateChannel(
      address(member),
      grpc::SslCredentials({ReadTestFile(ca_file()), ReadTestFile(key_file()),
                            ReadTestFile(certificate_file())})));
  const absl::Time until = absl::Now() + kPatience;
  grpc::Status status;
  do {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(absl::ToChronoTime(until));
    etcdserverpb::RangeRequest request;
    request.set_key("x");
    etcdserverpb::RangeResponse response;
    status = stub->Range(&context, request, &response);
  } while (!status.ok() && absl::Now() < until);
  EXPECT_TRUE(status.ok()) << "etcd does not serve: " << status.error_message()
                           << "\n"
                           << ReadTestFile(absl::StrCat(directory_, "/m",
                                                        member, ".log"));
}

EtcdEndpoints TestEtcd::endpoint(size_t member) const {
  return {{address(member)},
          ReadTestFile(ca_file()),
          ReadTestFile(certificate_file()),
          ReadTestFile(key_file())};
}

EtcdEndpoints TestEtcd::endpoints() const {
  EtcdEndpoints all = endpoint(0);
  for (size_t i = 1; i < members_.size(); ++i) {
    all.addresses.push_back(address(i));
  }
  return all;
}

std::string TestEtcd::address(size_t member) const {
  return absl::StrCat("127.0.0.1:", members_[member].client_port);
}

void TestEtcd::Kill(size_t member) {
  pid_t& pid = members_[member].pid;
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  pid = 0;
}

void TestEtcd::Restart(size_t member) {
  Spawn(member);
  AwaitServing(member);
}

void TestEtcd::Pause(size_t member) { kill(members_[member].pid, SIGSTOP); }

void TestEtcd::Resume(size_t member) { kill(members_[member].pid, SIGCONT); }

size_t TestEtcd::Leader(size_t asked) const {
  EtcdClient client(endpoints(), 0);
  const std::vector<LogMember> members = client.Members();
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i].member_id == members[asked].leader_id) return i;
  }
  ADD_FAILURE() << "etcd: no leader";
  return 0;
}

}  // namespace kms::storage
