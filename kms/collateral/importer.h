// Files become collateral of the state: verified against what is in effect on
// this instance, then proposed, an item a command. An administrator's import
// and a fetch from the mirror both come through here: a fetch is a command
// first, and an input of appraisals only once it was ordered.
// Thread-safe: free functions.
#ifndef KMS_COLLATERAL_IMPORTER_H_
#define KMS_COLLATERAL_IMPORTER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/base/caller.h"
#include "kms/collateral/appraisal_inputs.h"
#include "kms/instance/instance.h"
#include "policy/collateral/verify.h"
#include "proto/storage/v1/record.pb.h"

namespace kms::collateral {

struct Imported {
  // What the state holds now for each item of the files.
  std::vector<::storage::v1::CollateralRecord> items;
  uint32_t unchanged = 0;  // Of these: were there already, byte for byte.
};

// `caller` is recorded; one without a principal is an instance that fetched.
// Nothing is proposed for what is there already.
//   those of policy::VerifyCollateral  nothing is stored then
//   COLLATERAL_OLDER  as those below, of one item; what came before it in the
//                     order of VerifyCollateral is stored
//   FEATURE_LEVEL_TOO_LOW, LIMIT_REACHED, LOG_UNAVAILABLE, DATA_LOSS
absl::StatusOr<Imported> Import(const Instance& instance,
                                const AppraisalInputs& inputs,
                                const Caller& caller,
                                policy::CollateralKind kind,
                                absl::Span<const std::string> files);

}  // namespace kms::collateral

#endif  // KMS_COLLATERAL_IMPORTER_H_
