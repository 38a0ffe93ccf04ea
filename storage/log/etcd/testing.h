// etcd for tests: real members as child processes, on free ports of this
// machine, with TLS certificates of their own and data in a temporary
// directory, all of which end with the fixture.
// Thread-compatible.
#ifndef STORAGE_LOG_ETCD_TESTING_H_
#define STORAGE_LOG_ETCD_TESTING_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "storage/log/etcd/client.h"

namespace kms::storage {

class TestEtcd {
 public:
  // Starts `members`, and waits until they have a leader. `flags` are added to
  // each one's command line.
  explicit TestEtcd(size_t members = 1, std::vector<std::string> flags = {});
  ~TestEtcd();
  TestEtcd(const TestEtcd&) = delete;
  TestEtcd& operator=(const TestEtcd&) = delete;

  EtcdEndpoints endpoints() const;              // Of all members.
  EtcdEndpoints endpoint(size_t member) const;  // Of one.
  std::string address(size_t member) const;

  // PEM files: of the CA of all, and of a client.
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  std::string certificate_file() const { return directory_ + "/client.pem"; }
  std::string key_file() const { return directory_ + "/client.key"; }
  // Those of a server for 127.0.0.1, for a false member.
  std::string server_certificate_file() const {
    return directory_ + "/server.pem";
  }
  std::string server_key_file() const { return directory_ + "/server.key"; }

  void Kill(size_t member);     // SIGKILL, and gone when it returns.
  void Restart(size_t member);  // After Kill; serves when it returns.
  void Pause(size_t member);
  void Resume(size_t member);
  // The member that leads, as `asked` knows it.
  size_t Leader(size_t asked = 0) const;
  // Blocks until `member` answers linearizable reads.
  void AwaitServing(size_t member) const;

 private:
  struct Member {
    int client_port = 0;
    int peer_port = 0;
    pid_t pid = 0;
  };
  void MakeCertificates();
  void Spawn(size_t member);

  std::string directory_;
  std::vector<std::string> flags_;
  std::vector<Member> members_;
};

std::string ReadTestFile(const std::string& path);

}  // namespace kms::storage

#endif  // STORAGE_LOG_ETCD_TESTING_H_
