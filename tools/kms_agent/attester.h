// An Attester: whatever on this machine can make Evidence whose report data
// is what it was asked for. RFC 9334, section 4.1.
// Thread-compatible.
#ifndef TOOLS_KMS_AGENT_ATTESTER_H_
#define TOOLS_KMS_AGENT_ATTESTER_H_

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::agent {

class Attester {
 public:
  virtual ~Attester() = default;

  // `report_data`: 64 bytes, the transcript digest. Makes new Evidence on
  // every call. Does not verify it: that is the service's affair.
  // kUnavailable, kDeadlineExceeded and others: this machine could not.
  virtual absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) = 0;
};

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_ATTESTER_H_
