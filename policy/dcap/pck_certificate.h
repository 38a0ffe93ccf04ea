// What the certificate of a platform's provisioning key (PCK) says: which
// platform, and the TCB that Intel vouches for.
// Source: Intel SGX PCK certificate and CRL profile specification, section
// 1.3.5, the extension 1.2.840.113741.1.13.1.
// Thread-safe: free functions over values.
#ifndef POLICY_DCAP_PCK_CERTIFICATE_H_
#define POLICY_DCAP_PCK_CERTIFICATE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/chain.h"

namespace kms::dcap {

inline constexpr absl::string_view kSgxExtensionOid = "1.2.840.113741.1.13.1";

// Subject common names, which tell the roles under one root apart.
inline constexpr absl::string_view kRootCaName = "Intel SGX Root CA";
inline constexpr absl::string_view kProcessorCaName =
    "Intel SGX PCK Processor CA";
inline constexpr absl::string_view kPlatformCaName =
    "Intel SGX PCK Platform CA";
inline constexpr absl::string_view kPckName = "Intel SGX PCK Certificate";
inline constexpr absl::string_view kTcbSigningName = "Intel SGX TCB Signing";

using Fmspc = std::array<uint8_t, 6>;
using TcbComponents = std::array<uint8_t, 16>;

struct PckExtension {
  std::array<uint8_t, 16> ppid{};
  TcbComponents components{};  // Security version numbers.
  uint16_t pce_svn = 0;
  std::array<uint8_t, 16> cpu_svn{};
  std::array<uint8_t, 2> pce_id{};
  Fmspc fmspc{};
  uint32_t sgx_type = 0;  // 0 standard, 1 scalable, 2 scalable with integrity.

  // Multi-package platforms only.
  std::optional<std::array<uint8_t, 16>> platform_instance_id;
  struct Configuration {
    bool dynamic_platform = false;
    bool cached_keys = false;
    bool smt_enabled = false;
  };
  std::optional<Configuration> configuration;
};

// Parses the extension's value. ENDORSEMENT_MALFORMED if a field is absent,
// there twice or of the wrong form, or there is one that we do not know.
absl::StatusOr<PckExtension> ParsePckExtension(BytesView value);

struct PckCertificate {
  PckExtension sgx;
  bool platform_ca = false;  // Issued by the platform CA, else the processor's.
};

// Reads the leaf of `chain`, which is PCK, PCK CA, root, and checks that the
// three are in these roles.
//   ENDORSEMENT_MALFORMED  the extension is absent or of the wrong form
//   ENDORSEMENT_MISMATCH   certificates of other roles
absl::StatusOr<PckCertificate> ReadPckCertificate(
    const x509::VerifiedChain& chain);

}  // namespace kms::dcap

#endif  // POLICY_DCAP_PCK_CERTIFICATE_H_
