// How Intel's collateral rates the platform, quoting enclave and TDX module of
// one quote. Source: Intel PCS API v4, "Determining the TCB level"; where it is
// silent, Intel's quote verification library (QVL).
// Thread-safe: a free function over values.
#ifndef POLICY_DCAP_RATING_H_
#define POLICY_DCAP_RATING_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/dcap/qe_identity.h"
#include "policy/dcap/quote.h"
#include "policy/dcap/tcb_info.h"
#include "policy/dcap/tcb_status.h"

namespace kms::dcap {

struct TcbRating {
  TcbStatus status = TcbStatus::kRevoked;  // Of all parts together.
  TcbStatus platform = TcbStatus::kRevoked;
  TcbStatus qe = TcbStatus::kRevoked;
  std::optional<TcbStatus> module;  // TDX modules that are rated by themselves.
  absl::Time platform_date;
  // Sorted, each once.
  std::vector<std::string> advisories;  // Of all parts together.
  std::vector<std::string> platform_advisories;
};

// `quote` and `tcb_info` are of one kind.
//   TCB_UNSUPPORTED       below every level that is listed
//   TCB_REVOKED
//   ENDORSEMENT_MISMATCH  the TCB info does not know the quote's TDX module
//   MEASUREMENT_MISMATCH  the module is not signed or configured as it says
absl::StatusOr<TcbRating> RateTcb(const UnverifiedQuote& quote,
                                  const PckExtension& pck,
                                  const TcbInfo& tcb_info,
                                  const QeIdentity& qe_identity);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_RATING_H_
