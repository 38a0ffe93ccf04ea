#include "tools/client/anchor_files.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/file.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/verifier/anchor_file.h"

namespace kms::client {
namespace {

constexpr size_t kAnchorBytesMax = 64 * 1024;

// Where the key is an anchor already, the built-in one, that stays as it is
// but for what it lacks: the certificate, which a sender may leave out.
void Add(policy::TrustAnchor anchor,
         std::vector<policy::TrustAnchor>& anchors) {
  const auto known =
      std::find_if(anchors.begin(), anchors.end(), [&](const auto& other) {
        return other.type == anchor.type && other.use == anchor.use &&
               other.spki_sha256 == anchor.spki_sha256;
      });
  if (known == anchors.end()) {
    anchors.push_back(std::move(anchor));
  } else if (!known->key.has_value()) {
    known->key = std::move(anchor.key);
    known->certificate = std::move(anchor.certificate);
  }
}

absl::Status AddAnchors(const std::vector<std::string>& files, bool simulated,
                        std::vector<policy::TrustAnchor>& anchors) {
  for (const std::string& path : files) {
    KMS_ASSIGN_OR_RETURN(const std::string content,
                         ReadFile(path, kAnchorBytesMax));
    const absl::StatusOr<policy::AnchorFile> file =
        policy::ParseAnchorFile(AsBytes(content));
    if (!file.ok()) return Annotate(file.status(), path);
    const std::string name = std::filesystem::path(path).stem().string();
    for (int type = 1; type < v1::EvidenceType_ARRAYSIZE; ++type) {
      policy::TrustAnchor anchor = policy::AnchorFromKey(
          name, static_cast<v1::EvidenceType>(type), file->key, simulated);
      anchor.certificate = file->certificate;
      Add(anchor, anchors);
      // Only GPUs are compared with manifests; their signer may be this one.
      if (type != v1::NVIDIA_GPU) continue;
      anchor.name = absl::StrCat(name, "-manifests");
      anchor.use = policy::AnchorUse::kReferenceValues;
      Add(std::move(anchor), anchors);
    }
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

}  // namespace kms::client
