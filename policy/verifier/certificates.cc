#include "policy/verifier/certificates.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/x509/limits.h"

namespace kms::policy {

absl::StatusOr<std::vector<x509::Certificate>> ReadCertificates(
    const v1::Evidence& evidence, absl::string_view role) {
  std::vector<x509::Certificate> all;
  for (const v1::EvidenceFile& file : evidence.files()) {
    if (absl::string_view(file.role()) != role) continue;
    KMS_ASSIGN_OR_RETURN(std::vector<x509::Certificate> certificates,
                         x509::ParseCertificates(AsBytes(file.content())));
    for (x509::Certificate& certificate : certificates) {
      all.push_back(std::move(certificate));
    }
    // Before more are parsed: a key costs far more than its bytes.
    if (all.size() > x509::kChainPoolMax) {
      return Refuse(v1::REQUEST_TOO_LARGE,
                    absl::StrCat(role, ": more than ", x509::kChainPoolMax,
                                 " certificates"));
    }
  }
  return all;
}

}  // namespace kms::policy
