// ServerEvidenceService (proto/kms/v1/server_evidence.proto) without gRPC: this
// instance's own Evidence, bound to its TLS key and to the key that signs its
// receipts, for one client's nonce.
//
// It is worth as much as the TLS key is kept: a copy of the key file outside
// the TEE can show another's connection for this one.
// Thread-safe. It keeps nothing: each answer is for one nonce.
#ifndef KMS_SERVER_SERVER_EVIDENCE_H_
#define KMS_SERVER_SERVER_EVIDENCE_H_

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "kms/attester/attester.h"
#include "kms/base/caller.h"
#include "kms/base/clock.h"
#include "kms/base/rate_limiter.h"
#include "kms/seal/unsealer.h"
#include "proto/kms/v1/server_evidence.pb.h"

namespace kms::server {

struct ServerEvidenceOptions {
  attester::Attester* attester = nullptr;  // Null: every call is refused.
  std::string tls_key_digest;              // attester::TlsKeyDigest.
  std::function<seal::SealState()> state;  // Who this instance is now.
  const Clock* clock = nullptr;            // Outlives this, as the attester.
};

class ServerEvidence {
 public:
  explicit ServerEvidence(ServerEvidenceOptions options);

  // The attester makes one piece of Evidence at a time; who comes meanwhile
  // waits, until `deadline` at most.
  // REQUEST_MALFORMED: the nonce. NOT_FOUND: no attester is configured.
  // RATE_LIMITED: of the caller's network, or all together.
  // kDeadlineExceeded. kUnavailable: the attester failed.
  absl::StatusOr<v1::GetServerEvidenceResponse> GetServerEvidence(
      const Caller& caller, const v1::GetServerEvidenceRequest& request,
      absl::Time deadline);

 private:
  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data,
                                            absl::Time deadline);

  const ServerEvidenceOptions options_;
  RateLimiter networks_;
  RateLimiter all_;

  absl::Mutex mutex_;
  bool idle_ ABSL_GUARDED_BY(mutex_) = true;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace kms::server

#endif  // KMS_SERVER_SERVER_EVIDENCE_H_
