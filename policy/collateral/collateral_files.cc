#include "policy/collateral/collateral_files.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/collateral/limits.h"
#include "policy/dcap/collateral.h"

namespace kms::policy {
namespace {

absl::Status TooLarge(absl::string_view what, size_t have, size_t want) {
  return Refuse(v1::REQUEST_TOO_LARGE,
                absl::StrCat(what, ": ", have, ", want at most ", want));
}

// A CRL and a certificate are both a SEQUENCE, so each is tried; the refusal
// is that of what the file most likely is.
absl::Status AddX509(const std::string& file, CollateralFiles& files) {
  // Also the forms in which Intel's caches hand these out.
  absl::StatusOr<std::vector<x509::Certificate>> certificates =
      dcap::ParseChainFile(AsBytes(file));
  if (certificates.ok()) {
    files.chains.push_back({file, *std::move(certificates)});
    return absl::OkStatus();
  }
  absl::StatusOr<x509::Crl> crl = dcap::ParseCrlFile(AsBytes(file));
  if (crl.ok()) {
    files.crls.push_back(*std::move(crl));
    return absl::OkStatus();
  }
  // Only what has the whole shape of a CRL comes to CRL_INVALID.
  if (RefusalOf(crl.status()) == v1::CRL_INVALID) return crl.status();
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                "collateral file: neither certificates nor a CRL, JSON or "
                "XML");
}

}  // namespace

std::vector<x509::Certificate> CollateralFiles::Certificates() const {
  std::vector<x509::Certificate> all;
  for (const CertificateFile& file : chains) {
    for (const x509::Certificate& certificate : file.certificates) {
      const bool known =
          std::any_of(all.begin(), all.end(), [&](const auto& other) {
            return other.sha256() == certificate.sha256();
          });
      if (!known) all.push_back(certificate);
    }
  }
  return all;
}

absl::StatusOr<CollateralFiles> SortCollateralFiles(
    absl::Span<const std::string> files) {
  if (files.empty()) {
    return Refuse(v1::REQUEST_MALFORMED, "collateral: no file");
  }
  if (files.size() > kCollateralFilesMax) {
    return TooLarge("collateral files", files.size(), kCollateralFilesMax);
  }
  CollateralFiles sorted;
  for (const std::string& file : files) {
    if (file.size() > kCollateralFileBytesMax) {
      return TooLarge("collateral file bytes", file.size(),
                      kCollateralFileBytesMax);
    }
    const absl::string_view text = absl::StripLeadingAsciiWhitespace(file);
    if (text.empty()) {
      return Refuse(v1::REQUEST_MALFORMED, "collateral file: empty");
    }
    if (text.front() == '{') {
      sorted.json.push_back(file);
    } else if (text.front() == '<') {
      sorted.xml.push_back(file);
    } else {
      KMS_RETURN_IF_ERROR(AddX509(file, sorted));
    }
  }
  return sorted;
}

}  // namespace kms::policy
