// SEV-SNP Evidence from the kernel's configfs interface for TEE reports.
// Source: Linux, Documentation/ABI/testing/configfs-tsm (since 6.7).
//
// Each report is a folder that the kernel fills with attributes: write
// `inblob` (the report data), read `outblob` (the report) and `auxblob` (the
// host's certificate table, if it gave one). A folder of our own for each
// report keeps concurrent users apart.
#ifndef TOOLS_KMS_AGENT_TSM_ATTESTER_H_
#define TOOLS_KMS_AGENT_TSM_ATTESTER_H_

#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "proto/kms/v1/evidence.pb.h"
#include "tools/kms_agent/attester.h"

namespace kms::agent {

inline constexpr absl::string_view kTsmRoot = "/sys/kernel/config/tsm/report";

class TsmAttester : public Attester {
 public:
  // Makes the folder of one report; mkdir but for tests, which have no kernel
  // to fill it.
  using MakeFolder = std::function<absl::Status(const std::string& path)>;

  TsmAttester(std::string root, MakeFolder make_folder)
      : root_(std::move(root)), make_folder_(std::move(make_folder)) {}

  // kNotFound: no such interface (no TEE, or an older kernel).
  // kFailedPrecondition: the TEE is not an SEV-SNP guest.
  // kAborted: somebody else used our folder.
  absl::StatusOr<v1::EvidenceBundle> Attest(BytesView report_data) override;

  static absl::Status MakeKernelFolder(const std::string& path);

 private:
  const std::string root_;
  const MakeFolder make_folder_;
};

}  // namespace kms::agent

#endif  // TOOLS_KMS_AGENT_TSM_ATTESTER_H_
