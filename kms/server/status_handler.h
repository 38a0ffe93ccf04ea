// StatusService (proto/kms/v1/seal.proto) without gRPC: what anyone may know,
// sealed or not.
// Thread-safe. Never waits for an init, unseal or seal in progress.
#ifndef KMS_SERVER_STATUS_HANDLER_H_
#define KMS_SERVER_STATUS_HANDLER_H_

#include <string>
#include <vector>

#include "kms/instance/instance.h"
#include "kms/seal/unsealer.h"
#include "proto/kms/v1/seal.pb.h"

namespace kms::server {

inline constexpr char kVersion[] = "0.1.0";

class StatusHandler {
 public:
  // `unsealer` and `holder` outlive the handler. `warnings`: loud facts of the
  // configuration, shown as they are.
  StatusHandler(const seal::Unsealer& unsealer, const InstanceHolder& holder,
                std::vector<std::string> warnings)
      : unsealer_(unsealer), holder_(holder), warnings_(std::move(warnings)) {}

  v1::Status GetStatus() const;

  // Unsealed, its replica can order commands, and Evidence is kept: what the
  // health service shows, and `serving` above.
  bool Serving() const;

 private:
  const seal::Unsealer& unsealer_;
  const InstanceHolder& holder_;
  const std::vector<std::string> warnings_;
};

}  // namespace kms::server

#endif  // KMS_SERVER_STATUS_HANDLER_H_
