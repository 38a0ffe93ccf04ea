// An Attester: whatever on this machine can make Evidence whose report data
// is what it was asked for. RFC 9334, section 4.1.
// Thread-safe.
#ifndef KMS_ATTESTER_ATTESTER_H_
#define KMS_ATTESTER_ATTESTER_H_

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::attester {

class Attester {
 public:
  virtual ~Attester() = default;

  // `report_data`: 64 bytes, a transcript digest. Makes new Evidence on every
  // call. Does not verify it: that is its reader's affair.
  // kUnavailable, kDeadlineExceeded and others: this machine could not.
  virtual absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) = 0;
};

}  // namespace kms::attester

#endif  // KMS_ATTESTER_ATTESTER_H_
