#include "tests/integration/forwarder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace kms::testing {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Hands on what is there; false at the end of the stream.
bool Pump(int from, int to) {
  char buffer[16 * 1024];
  const ssize_t got = recv(from, buffer, sizeof(buffer), 0);
  return got > 0 &&
         send(to, buffer, static_cast<size_t>(got), MSG_NOSIGNAL) == got;
}

}  // namespace

Forwarder::Forwarder(std::function<int(int connection)> target)
    : target_(std::move(target)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 16) != 0 || pipe(stop_) != 0) {
    return;  // Its port stays 0, and nobody gets through.
  }
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread(&Forwarder::Accept, this);
}

Forwarder::~Forwarder() {
  close(stop_[1]);  // The other end is readable now, for every thread.
  if (accepting_.joinable()) accepting_.join();
  for (std::thread& relay : relays_) relay.join();
  close(stop_[0]);
  close(listener_);
}

void Forwarder::Accept() {
  for (;;) {
    pollfd events[] = {{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(events, 2, -1) < 0 || events[1].revents != 0) return;
    const int near = accept(listener_, nullptr, nullptr);
    const int far = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(target_(connections_++));
    if (connect(far, reinterpret_cast<const sockaddr*>(&address),
                sizeof(address)) == 0) {
      relays_.emplace_back(&Forwarder::Relay, this, near, far);
    } else {
      close(near);
      close(far);
    }
  }
}

void Forwarder::Relay(int near, int far) const {
  bool open = true;
  while (open) {
    pollfd events[] = {
        {near, POLLIN, 0}, {far, POLLIN, 0}, {stop_[0], POLLIN, 0}};
    if (poll(events, 3, -1) < 0 || events[2].revents != 0) break;
    if (events[0].revents != 0) open = Pump(near, far);
    if (open && events[1].revents != 0) open = Pump(far, near);
  }
  close(near);
  close(far);
}

}  // namespace kms::testing
