// A TCP relay on this machine, which says for each connection where it goes:
// a network that somebody reroutes while it is in use. For tests.
// Thread-compatible.
#ifndef TESTS_INTEGRATION_FORWARDER_H_
#define TESTS_INTEGRATION_FORWARDER_H_

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace kms::testing {

class Forwarder {
 public:
  // `target`: the port of this machine that connection 0, 1, ... goes to. It is
  // called from a thread of the forwarder's.
  explicit Forwarder(std::function<int(int connection)> target);
  ~Forwarder();  // Cuts all connections.

  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void Accept();
  void Relay(int near, int far) const;

  const std::function<int(int)> target_;
  int listener_ = -1;
  int port_ = 0;
  int stop_[2] = {-1, -1};  // A pipe: readable ends everything.
  std::atomic<int> connections_{0};
  std::vector<std::thread> relays_;  // The accepting thread's.
  std::thread accepting_;
};

}  // namespace kms::testing

#endif  // TESTS_INTEGRATION_FORWARDER_H_
