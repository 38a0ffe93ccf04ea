// kmsd's composition: configuration in, a serving process out. It opens the
// data directory, wires handlers to adapters, listens, and ends gracefully.
//
// Which services there are is decided here and nowhere else: the reader sees
// at one place what can be called, and gate.h what each call must pass.
// Thread-safe, except Start and Drain: one owner.
// Not in here: signals, the command line, hardening (main.cc).
#ifndef KMS_SERVER_SERVER_H_
#define KMS_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kms/base/clock.h"
#include "kms/server/config.h"
#include "kms/server/event_log.h"

namespace kms::server {

class Server {
 public:
  // Listens and answers when it returns: sealed, unless the seal is of the
  // development kind. `clock` and `log` outlive the server. `on_fatal`: told,
  // from any thread, that the instance cannot go on; it must not call the
  // server.
  // REQUIRES: AllowOnlyTls13() was called before any use of gRPC.
  // kUnavailable: an address cannot be bound. Others: Unsealer::Open,
  // ServerTls.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const Config& config, const Clock& clock, const EventLog& log,
      std::function<void(const absl::Status&)> on_fatal);

  // Drains, if Drain was not called.
  ~Server();

  // The ports that the configured addresses got, in their order.
  const std::vector<int>& ports() const;

  // Ends gracefully: health NOT_SERVING, new calls are refused, those in
  // progress have the configured drain time; then what still waits for the log
  // is answered, and the instance is sealed and gone. It waits for calls, not
  // for connections or streams of gRPC's own services. Idempotent.
  void Drain();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_SERVER_H_
