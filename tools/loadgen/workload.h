// A simulated workload: asks for a challenge, attests on a simulated SEV-SNP
// guest, asks for a key, verifies the receipt and opens the key. Each step is
// its own call, so that a test can lie between any two.
// Thread-safe.
#ifndef TOOLS_LOADGEN_WORKLOAD_H_
#define TOOLS_LOADGEN_WORKLOAD_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"
#include "kms/release/receipt.h"
#include "proto/kms/v1/release.grpc.pb.h"
#include "tools/simtee/snp.h"

namespace kms::loadgen {

// What a workload is configured with, and never takes from a reply.
struct Pins {
  std::string cluster_id;           // 16 bytes.
  std::string identity_public_key;  // 32 bytes.
};

// A request ready to be sent, with what is needed to open its answer.
struct Prepared {
  v1::ReleaseKeyRequest request;
  std::string transcript_digest;
  std::shared_ptr<const crypto::HpkePrivateKey> recipient;
};

struct Released {
  Secret key;
  release::VerifiedReceipt receipt;
  v1::Receipt signed_receipt;
};

class Workload {
 public:
  // `attester` outlives the workload.
  Workload(std::shared_ptr<grpc::Channel> channel,
           const simtee::SimulatedSnp& attester, Pins pins,
           absl::Duration call_timeout = absl::Seconds(10));

  // Statuses carry the service's refusal code.
  absl::StatusOr<std::string> GetChallenge() const;

  // Makes a recipient key, attests as `guest` (its report data is set here),
  // and fills the request. kem_id: 0x0020 or 0x0010.
  absl::StatusOr<Prepared> Prepare(
      const std::string& challenge, const std::string& key,
      const simtee::SnpGuest& guest = {}, uint32_t version = 0,
      crypto::Kem kem = crypto::Kem::kX25519) const;
  // The same for any request.
  absl::StatusOr<Prepared> Prepare(
      const std::string& challenge, const v1::ReleaseRequest& wanted,
      const simtee::SnpGuest& guest = {},
      crypto::Kem kem = crypto::Kem::kX25519) const;

  absl::StatusOr<v1::ReleaseKeyResponse> Send(const Prepared& prepared) const;

  // Verifies the receipt under the pins and opens the key, which is empty if
  // the request was to rewrap a blob.
  absl::StatusOr<Released> Open(const Prepared& prepared,
                                const v1::ReleaseKeyResponse& response) const;

  // All of it.
  absl::StatusOr<Released> Release(const std::string& key,
                                   const simtee::SnpGuest& guest = {}) const;

 private:
  const std::unique_ptr<v1::WorkloadService::Stub> stub_;
  const simtee::SimulatedSnp& attester_;
  const Pins pins_;
  const absl::Duration call_timeout_;
};

}  // namespace kms::loadgen

#endif  // TOOLS_LOADGEN_WORKLOAD_H_
