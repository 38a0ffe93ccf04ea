// The keys of every simulated cluster: the same in every process, so that a log
// written by one can be replayed by another.
// Thread-safe.
#ifndef TESTS_SIMULATION_CLUSTER_KEYS_H_
#define TESTS_SIMULATION_CLUSTER_KEYS_H_

#include <cstddef>
#include <string>

#include "kms/crypto/signing_key.h"
#include "storage/envelope/envelope.h"
#include "storage/log/log_position.h"

namespace kms::simulation {

inline constexpr size_t kIdentitiesMax = 8;

struct Identity {
  storage::InstanceId id;
  const crypto::Ed25519SigningKey* key;

  std::string id_bytes() const {
    return std::string(AsStringView(BytesView(id.bytes)));
  }
};

// REQUIRES: number < kIdentitiesMax.
const Identity& IdentityOf(size_t number);

const storage::Envelope& ClusterEnvelope();

const std::string& ClusterId();  // 16 bytes.

}  // namespace kms::simulation

#endif  // TESTS_SIMULATION_CLUSTER_KEYS_H_
