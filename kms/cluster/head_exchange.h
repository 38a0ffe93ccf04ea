// Heads on their way between instances: what this one answers, and what it asks
// each of its peers every 250 ms.
//
// A peer is asked at the addresses of the configuration and believed by its
// vouch, whatever its address. After each exchange the keeper's verdict counts:
// an instance that most others contradict stops with DATA_LOSS.
// Source: architecture.md, "Digest"; review.md 3, 4.
// Thread-safe; one thread for each peer between Start and Stop, so that a slow
// one holds up nobody.
#ifndef KMS_CLUSTER_HEAD_EXCHANGE_H_
#define KMS_CLUSTER_HEAD_EXCHANGE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/cluster/head_keeper.h"
#include "kms/instance/instance.h"
#include "proto/kms/v1/cluster.pb.h"

namespace kms::cluster {

// A connection to one address. Thread-safe.
class PeerClient {
 public:
  virtual ~PeerClient() = default;

  virtual const std::string& address() const = 0;

  // The answer, and the SHA-256 of the certificate that it came from.
  struct Exchanged {
    v1::ExchangeResponse response;
    std::string certificate_digest;
  };
  virtual absl::StatusOr<Exchanged> Exchange(
      const v1::ExchangeRequest& request) = 0;
};

struct HeadExchangeOptions {
  // These outlive the exchange.
  const InstanceHolder* holder = nullptr;
  HeadKeeper* keeper = nullptr;
  std::vector<PeerClient*> peers;

  std::string certificate_digest;  // Of this process's TLS certificate.
  std::function<absl::Duration()> boot_time;

  // Told when a peer's answers begin to fail, or are good again (OK).
  std::function<void(const std::string& address, const absl::Status&)> on_peer;
};

class HeadExchange {
 public:
  explicit HeadExchange(HeadExchangeOptions options);
  ~HeadExchange() { Stop(); }

  // A peer's question over a connection with this certificate.
  // SEALED. PEER_UNKNOWN. REQUEST_MALFORMED. DATA_LOSS.
  absl::StatusOr<v1::ExchangeResponse> Answer(
      const v1::ExchangeRequest& request, absl::string_view certificate_digest);

  // One question to one peer. Codes as Answer, and the peer's own.
  absl::Status Ask(PeerClient& peer);

  // HeadKeeper::Guard of the instance's state of now. SEALED.
  absl::Status Guard() const;

  // By instance id: where Ask reached it.
  std::map<std::string, std::string> addresses() const;

  void Start();
  void Stop();  // Idempotent.

 private:
  void Run(PeerClient* peer);
  // What came from the far end of a connection.
  absl::StatusOr<std::string> Take(const Instance& instance,
                                   const v1::Vouch& vouch,
                                   const v1::SignedHead& head,
                                   absl::string_view certificate_digest);

  const HeadExchangeOptions options_;
  std::vector<std::thread> threads_;
  mutable absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> addresses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace kms::cluster

#endif  // KMS_CLUSTER_HEAD_EXCHANGE_H_
