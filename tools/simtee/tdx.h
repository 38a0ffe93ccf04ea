// A simulated Intel platform: a root, a PCK CA, a platform's PCK with the SGX
// extension, a quoting enclave with its attestation key, a TCB signer, and
// collateral about all of them in Intel's exact shapes; and quotes of TDs and
// of SGX enclaves in Intel's exact format. What it signs verifies only where
// its root is configured as a simulator's anchor, and shows in Claims as
// simulated.
// Sources: those of policy/dcap.
// Thread-compatible. For tests and the program simtee; no server links it.
#ifndef TOOLS_SIMTEE_TDX_H_
#define TOOLS_SIMTEE_TDX_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"
#include "policy/dcap/pck_certificate.h"
#include "policy/dcap/quote.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

struct TdxOptions {
  // What its quotes are of; an SGX machine has an SGX quoting enclave and
  // collateral for SGX.
  dcap::TeeKind tee = dcap::TeeKind::kTdx;
  bool platform_ca = true;  // Else the processor CA: one package.
  // Certificates, CRLs and collateral are all in force in this time.
  absl::Time not_before;
  absl::Time not_after;
};

// What a TD's owner and host choose. Defaults are an ordinary guest's on an
// up-to-date platform.
struct TdxGuest {
  uint16_t version = 5;  // 4 or 5.
  bool is_15 = true;     // A TD 1.5 report; version 5 only.
  uint64_t attributes = dcap::kTdSeptVeDisable;
  uint64_t xfam = 0x602e7;
  std::array<uint8_t, 16> tee_tcb_svn = {5, 1, 6};
  std::string mrtd = std::string(48, '\x5a');
  std::array<std::string, 4> rtmr = {
      std::string(48, '\x50'), std::string(48, '\x51'), std::string(48, '\x52'),
      std::string(48, '\0')};
};

struct SgxEnclave {
  uint64_t attributes = dcap::kSgxInit | dcap::kSgxMode64Bit;
  std::string mrenclave = std::string(32, '\x5a');
  std::string mrsigner = std::string(32, '\x5b');
  uint16_t isv_prod_id = 1;
  uint16_t isv_svn = 2;
};

// The SGX extension of a PCK certificate.
std::string SerializePckExtension(const dcap::PckExtension& extension);

class SimulatedTdx {
 public:
  static SimulatedTdx Create(const TdxOptions& options);

  // What Save wrote. kNotFound or kInvalidArgument otherwise.
  static absl::StatusOr<SimulatedTdx> Load(const std::string& folder);

  // Writes simulated-tdx-root.pem or simulated-sgx-root.pem (the anchor to
  // configure), the other certificates, and the private keys, into an existing
  // folder.
  absl::Status Save(const std::string& folder) const;

  // A quote's fields, not signed. `report_data`: 64 bytes.
  dcap::UnverifiedQuote MakeQuote(BytesView report_data,
                                  const TdxGuest& guest) const;
  dcap::UnverifiedQuote MakeSgxQuote(BytesView report_data,
                                     const SgxEnclave& enclave) const;

  // Binds the attestation key, and signs the quoting enclave's report and the
  // quote: bytes that verify. Sets only what it signs with.
  std::string Sign(dcap::UnverifiedQuote quote) const;
  // The two signatures by themselves, over the fields as they stand.
  void SignQe(dcap::UnverifiedQuote& quote) const;
  void SignBody(dcap::UnverifiedQuote& quote) const;

  // A signed quote with the collateral that vouches for it.
  v1::Evidence Attest(BytesView report_data, const TdxGuest& guest) const;
  v1::Evidence AttestSgx(BytesView report_data,
                         const SgxEnclave& enclave) const;
  // The same around a given quote file.
  v1::Evidence Wrap(const std::string& quote) const;

  policy::TrustAnchor Anchor() const;  // "simulated-tdx-root", "-sgx-root".

  // The signed part of the collateral, and a file around such a part.
  std::string TcbInfoBody() const;
  std::string QeIdentityBody() const;
  // `name`: "tcbInfo" or "enclaveIdentity".
  std::string SignJson(absl::string_view name, absl::string_view body) const;

  std::string PckChainPem() const;     // PCK, PCK CA, root.
  std::string SignerChainPem() const;  // TCB signing, root.
  std::string RootCaCrl() const;
  std::string PckCrl() const;

  dcap::TeeKind tee() const { return options_.tee; }
  const dcap::PckExtension& pck_extension() const { return extension_; }
  const x509::Certificate& root() const { return root_; }
  const x509::Certificate& pck_ca() const { return pck_ca_; }
  const x509::Certificate& pck() const { return pck_; }
  const x509::Certificate& tcb_signing() const { return tcb_signing_; }

  // For tests that issue one certificate or CRL anew with one lie in it.
  const x509::IssuerKey& root_key() const { return keys_.root; }
  const x509::IssuerKey& pck_ca_key() const { return keys_.pck_ca; }
  const x509::IssuerKey& pck_key() const { return keys_.pck; }
  const x509::IssuerKey& tcb_signing_key() const { return keys_.tcb_signing; }
  const x509::IssuerKey& attestation_key() const { return keys_.attestation; }
  x509::CertificateSpec RootSpec() const;
  x509::CertificateSpec PckCaSpec() const;
  x509::CertificateSpec PckSpec() const;
  x509::CertificateSpec TcbSigningSpec() const;
  x509::CrlSpec RootCaCrlSpec() const;
  x509::CrlSpec PckCrlSpec() const;

 private:
  struct Keys {
    x509::IssuerKey root, pck_ca, pck, tcb_signing, attestation;
  };

  SimulatedTdx(const TdxOptions& options, Keys keys);

  x509::CertificateSpec Spec(const x509::IssuerKey& key,
                             const x509::IssuerKey& issuer) const;
  x509::CrlSpec MakeCrlSpec(const x509::Certificate& issuer) const;

  TdxOptions options_;
  Keys keys_;
  dcap::PckExtension extension_;
  x509::Certificate root_, pck_ca_, pck_, tcb_signing_;
};

// x, y of a P-256 key, as quotes have it.
std::array<uint8_t, 64> RawPoint(const x509::IssuerKey& key);
// r, s of an ECDSA-SHA256 signature.
std::array<uint8_t, 64> RawSignature(const x509::IssuerKey& key,
                                     absl::string_view message);

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_TDX_H_
