// A simulated SEV-SNP machine: a root, ASK or ASVK, and signing key of its own
// in AMD's exact shapes, and reports in AMD's exact format. What it signs
// verifies only where its root is configured as a simulator's anchor, and
// shows in Claims as simulated.
// Sources: AMD 56860 (report), AMD 57230 (certificates).
// Thread-compatible. For tests and the program simtee; no server links it.
#ifndef TOOLS_SIMTEE_SNP_H_
#define TOOLS_SIMTEE_SNP_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"
#include "policy/sev_snp/key_certificate.h"
#include "policy/sev_snp/report.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

struct SnpOptions {
  sev_snp::Product product = sev_snp::Product::kGenoa;
  sev_snp::SigningKey kind = sev_snp::SigningKey::kVcek;
  sev_snp::Tcb tcb = {.bootloader = 10, .tee = 0, .snp = 27, .microcode = 84};
  int rsa_bits = 4096;  // AMD's; tests save seconds with 2048.
  absl::Time not_before;
  absl::Time not_after;
};

// What the guest's owner and host choose. Defaults are an ordinary guest's.
struct SnpGuest {
  uint32_t version = 5;
  uint64_t policy = sev_snp::kPolicyMustBeOne | sev_snp::kPolicySmt;
  uint32_t guest_svn = 0;
  uint32_t vmpl = 0;
  uint64_t platform_info = sev_snp::kPlatformSmt | sev_snp::kPlatformEcc |
                           sev_snp::kPlatformAliasCheck;
  std::string measurement = std::string(48, '\x5a');  // 48 bytes.
  std::string host_data = std::string(32, '\0');      // 32 bytes.
};

class SimulatedSnp {
 public:
  // Makes keys and certificates: seconds with 4096-bit RSA.
  static SimulatedSnp Create(const SnpOptions& options);

  // What Save wrote. kNotFound or kInvalidArgument otherwise.
  static absl::StatusOr<SimulatedSnp> Load(const std::string& folder);

  // Writes simulated-snp-ark.pem (the anchor to configure), cert_chain.pem,
  // vcek.der or vlek.der, and the private keys, into an existing folder.
  absl::Status Save(const std::string& folder) const;

  // `report_data`: 64 bytes. The fields of a report, not signed.
  sev_snp::UnverifiedReport MakeReport(BytesView report_data,
                                       const SnpGuest& guest) const;
  // The report's bytes with a signature that verifies.
  std::string Sign(const sev_snp::UnverifiedReport& report) const;
  // The same for bytes of a test's own making: kSignedBytes of them.
  std::string SignBytes(const std::string& signed_bytes) const;

  // A signed report with the certificates that vouch for it.
  v1::Evidence Attest(BytesView report_data, const SnpGuest& guest) const;
  // The same around a given report file.
  v1::Evidence Wrap(const std::string& report) const;

  policy::TrustAnchor Anchor() const;  // "simulated-snp-ark".

  sev_snp::Product product() const { return key_.product; }
  bool vlek() const { return key_.kind == sev_snp::SigningKey::kVlek; }
  const x509::Certificate& ark() const { return ark_; }
  const x509::Certificate& ask() const { return ask_; }
  const x509::Certificate& leaf() const { return leaf_; }
  std::string CertChainPem() const;  // ASK, then ARK.

  // For tests that issue one certificate anew with one lie in it.
  const x509::IssuerKey& ark_key() const { return ark_key_; }
  const x509::IssuerKey& ask_key() const { return ask_key_; }
  const x509::IssuerKey& leaf_key() const { return leaf_key_; }
  // The spec of an ARK (subject = issuer), ASK or leaf of the options.
  static x509::CertificateSpec ArkSpec(const SnpOptions& options,
                                       const x509::IssuerKey& key);
  static x509::CertificateSpec AskSpec(const SnpOptions& options,
                                       const x509::IssuerKey& key);
  static x509::CertificateSpec LeafSpec(const SnpOptions& options,
                                        const x509::IssuerKey& key);

 private:
  SimulatedSnp(x509::IssuerKey ark_key, x509::IssuerKey ask_key,
               x509::IssuerKey leaf_key, x509::Certificate ark,
               x509::Certificate ask, x509::Certificate leaf,
               sev_snp::KeyCertificate key);

  x509::IssuerKey ark_key_, ask_key_, leaf_key_;
  x509::Certificate ark_, ask_, leaf_;
  sev_snp::KeyCertificate key_;  // What the leaf says.
};

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_SNP_H_
