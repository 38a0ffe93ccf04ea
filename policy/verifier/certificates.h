// The certificates that come with Evidence, in all files of one role.
// Thread-safe: a free function. Verifies nothing: x509::VerifyChain does.
#ifndef POLICY_VERIFIER_CERTIFICATES_H_
#define POLICY_VERIFIER_CERTIFICATES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/x509/certificate.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::policy {

// ENDORSEMENT_MALFORMED: x509::ParseCertificates. REQUEST_TOO_LARGE: more than
// VerifyChain takes; those of further files are not parsed.
absl::StatusOr<std::vector<x509::Certificate>> ReadCertificates(
    const v1::Evidence& evidence, absl::string_view role);

}  // namespace kms::policy

#endif  // POLICY_VERIFIER_CERTIFICATES_H_
