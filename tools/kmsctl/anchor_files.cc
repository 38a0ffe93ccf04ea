#include "tools/kmsctl/anchor_files.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/certificate.h"
#include "tools/client/file.h"

namespace kms::kmsctl {
namespace {

constexpr size_t kCertificateBytesMax = 64 * 1024;

absl::Status AddAnchors(const std::vector<std::string>& files, bool simulated,
                        std::vector<policy::TrustAnchor>& anchors) {
  for (const std::string& file : files) {
    KMS_ASSIGN_OR_RETURN(const std::string content,
                         client::ReadFile(file, kCertificateBytesMax));
    const absl::StatusOr<std::vector<x509::Certificate>> certificates =
        x509::ParseCertificates(AsBytes(content));
    if (!certificates.ok()) return Annotate(certificates.status(), file);
    if (certificates->size() != 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": ", certificates->size(), " certificates, want one root"));
    }
    anchors.push_back(policy::AnchorFromCertificate(
        std::filesystem::path(file).stem().string(), v1::SEV_SNP,
        certificates->front(), simulated));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<policy::TrustAnchors> LoadAnchors(
    const std::vector<std::string>& vendor_files,
    const std::vector<std::string>& simulator_files) {
  std::vector<policy::TrustAnchor> anchors = policy::TrustAnchors::BuiltIn();
  KMS_RETURN_IF_ERROR(AddAnchors(vendor_files, false, anchors));
  KMS_RETURN_IF_ERROR(AddAnchors(simulator_files, true, anchors));
  return policy::TrustAnchors::Create(std::move(anchors));
}

}  // namespace kms::kmsctl
