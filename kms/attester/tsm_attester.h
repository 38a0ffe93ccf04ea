// SEV-SNP and TDX Evidence from the kernel's configfs interface for TEE
// reports. Source: Linux, Documentation/ABI/testing/configfs-tsm (since 6.7).
//
// Each report is a folder that the kernel fills with attributes: write
// `inblob` (the report data), read `outblob` (the report) and `auxblob` (the
// host's certificate table, if it gave one). A TDX guest's outblob is its
// quote; the collateral for it is the service's affair. A folder of our own for
// each report keeps concurrent users apart.
#ifndef KMS_ATTESTER_TSM_ATTESTER_H_
#define KMS_ATTESTER_TSM_ATTESTER_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/attester/attester.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::attester {

inline constexpr absl::string_view kTsmRoot = "/sys/kernel/config/tsm/report";
// TDX: the firmware's event log, an ACPI table's data (ACPI 6.5, CCEL).
inline constexpr absl::string_view kCcelPath =
    "/sys/firmware/acpi/tables/data/CCEL";

class TsmAttester : public Attester {
 public:
  // Makes the folder of one report; mkdir but for tests, which have no kernel
  // to fill it.
  using MakeFolder = std::function<absl::Status(const std::string& path)>;

  // `type`: SEV_SNP or TDX. `event_log`: a file to send with TDX Evidence if
  // it can be read.
  TsmAttester(v1::EvidenceType type, std::string root, std::string event_log,
              MakeFolder make_folder)
      : type_(type),
        root_(std::move(root)),
        event_log_(std::move(event_log)),
        make_folder_(std::move(make_folder)) {}

  // kNotFound: no such interface (no TEE, or an older kernel).
  // kFailedPrecondition: the TEE is of another type.
  // kAborted: somebody else used our folder.
  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) override;

  static absl::Status MakeKernelFolder(const std::string& path);

 private:
  const v1::EvidenceType type_;
  const std::string root_;
  const std::string event_log_;
  const MakeFolder make_folder_;
};

}  // namespace kms::attester

#endif  // KMS_ATTESTER_TSM_ATTESTER_H_
