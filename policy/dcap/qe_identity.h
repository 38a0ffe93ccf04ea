// The identity of Intel's quoting enclave. Source: Intel PCS API v4, "Get
// quoting enclave identity", version 2 of the structure.
// Thread-safe: values and free functions.
// Parsing proves nothing: collateral.h says who signed it.
#ifndef POLICY_DCAP_QE_IDENTITY_H_
#define POLICY_DCAP_QE_IDENTITY_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/dcap/report_body.h"
#include "policy/dcap/tcb_info.h"
#include "policy/formats/json.h"

namespace kms::dcap {

struct QeIdentity {
  TeeKind tee = TeeKind::kSgx;  // "QE" is SGX's, "TD_QE" TDX's.
  absl::Time issued;
  absl::Time next_update;
  uint32_t evaluation_data_number = 0;
  // MISCSELECT and ATTRIBUTES as they lie in a report.
  std::array<uint8_t, 4> misc_select{};
  std::array<uint8_t, 4> misc_select_mask{};
  std::array<uint8_t, 16> attributes{};
  std::array<uint8_t, 16> attributes_mask{};
  std::array<uint8_t, 32> mrsigner{};
  uint16_t isv_prod_id = 0;
  std::vector<IsvLevel> levels;  // Best first.

  // "TD_QE" or "QE": what names it in a collateral store.
  std::string Subject() const;
};
std::string QeIdentitySubject(TeeKind tee);

// `body` is the value of "enclaveIdentity". ENDORSEMENT_MALFORMED if a field is
// absent or of the wrong form, for another version or enclave, an unknown
// status, or two equal levels. Members that we do not know are ignored.
absl::StatusOr<QeIdentity> ParseQeIdentity(const formats::JsonValue& body);

// OK if `report` is of the enclave that `identity` describes, whatever its
// security version. MEASUREMENT_MISMATCH otherwise, and for a debug enclave:
// its owner knows its keys.
absl::Status CheckQeReport(const SgxReport& report, const QeIdentity& identity);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_QE_IDENTITY_H_
