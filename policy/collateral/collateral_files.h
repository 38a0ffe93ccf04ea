// The files that an administrator imports, or a third party checks, as what
// their content shows them to be: names and order of files have no meaning.
// Sources: RFC 5280 and 7468 (certificates, CRLs); Intel PCS API v4 (signed
// JSON); TCG RIM IM 1.01 (manifests are XML).
// Thread-safe: a free function over values. Verifies nothing.
#ifndef POLICY_COLLATERAL_COLLATERAL_FILES_H_
#define POLICY_COLLATERAL_COLLATERAL_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/crl.h"

namespace kms::policy {

struct CertificateFile {
  std::string content;  // As given.
  std::vector<x509::Certificate> certificates;
};

struct CollateralFiles {
  std::vector<CertificateFile> chains;
  std::vector<x509::Crl> crls;
  std::vector<std::string> json;
  std::vector<std::string> xml;

  // All certificates, each once.
  std::vector<x509::Certificate> Certificates() const;
};

// REQUEST_MALFORMED: no file, or an empty one. REQUEST_TOO_LARGE: over a bound
// of limits.h. ENDORSEMENT_MALFORMED, CRL_INVALID: a file is neither JSON nor
// XML, and does not parse as certificates or as a CRL.
absl::StatusOr<CollateralFiles> SortCollateralFiles(
    absl::Span<const std::string> files);

}  // namespace kms::policy

#endif  // POLICY_COLLATERAL_COLLATERAL_FILES_H_
