// A simulated TPM 2.0: an attestation key, PCRs and quotes in a TPM's exact
// formats, and a CA of its own that certifies the key. What it signs verifies
// only where its key or its CA is configured as a simulator's anchor, and
// shows in Claims as simulated.
// Sources: those of policy/tpm.
// Thread-compatible. For tests; no server links it.
#ifndef TOOLS_SIMTEE_TPM_H_
#define TOOLS_SIMTEE_TPM_H_

#include <string>

#include "absl/time/time.h"
#include "kms/base/bytes.h"
#include "kms/crypto/hash.h"
#include "kms/crypto/x509/certificate.h"
#include "kms/crypto/x509/issue.h"
#include "policy/tpm/attest.h"
#include "policy/tpm/pcrs.h"
#include "policy/tpm/public_area.h"
#include "policy/tpm/signature.h"
#include "policy/verifier/anchors.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::simtee {

struct TpmOptions {
  tpm::Scheme scheme = tpm::Scheme::kEcdsa;
  crypto::Hash hash = crypto::Hash::kSha256;   // Of the scheme.
  crypto::Curve curve = crypto::Curve::kP256;  // For ECDSA.
  v1::EvidenceType type = v1::TPM;  // Of its anchors and its Evidence.
  absl::Time not_before;
  absl::Time not_after;
};

class SimulatedTpm {
 public:
  static SimulatedTpm Create(const TpmOptions& options);

  // The attestation key's public area, with all that one must have.
  const tpm::PublicArea& area() const { return area_; }
  std::string spki() const { return ak_.Spki(); }

  // 24 PCRs of the bank, all different; and a quote of some of them.
  tpm::UnverifiedPcrs Pcrs(crypto::Hash bank = crypto::Hash::kSha256) const;
  tpm::UnverifiedQuote MakeQuote(const std::string& nonce,
                                 const tpm::UnverifiedPcrs& pcrs,
                                 uint32_t selected) const;
  // TPMT_SIGNATURE over any bytes: a real one signs only its own.
  tpm::Signature Sign(BytesView message) const;

  // A quote of PCRs 0 to 7 of SHA-256 with its signature, values and public
  // area: whole Evidence where the key is pinned.
  v1::Evidence Attest(const std::string& nonce) const;
  // The same around a given attestation.
  v1::Evidence Wrap(const std::string& attest) const;
  // Adds the AK's certificate and its CA's.
  void AddCertificates(v1::Evidence& evidence) const;

  policy::TrustAnchor PinnedAnchor() const;  // "simulated-tpm-ak".
  policy::TrustAnchor CaAnchor() const;      // "simulated-tpm-ca".

  // For tests that issue one certificate anew with one lie in it.
  const x509::IssuerKey& ak() const { return ak_; }
  const x509::IssuerKey& ca_key() const { return ca_key_; }
  const x509::Certificate& ca() const { return ca_; }
  const x509::Certificate& ak_certificate() const { return ak_certificate_; }
  static x509::CertificateSpec CaSpec(const TpmOptions& options,
                                      const x509::IssuerKey& key);
  static x509::CertificateSpec AkSpec(const TpmOptions& options,
                                      const x509::IssuerKey& key);

 private:
  SimulatedTpm(TpmOptions options, x509::IssuerKey ak, x509::IssuerKey ca_key,
               tpm::PublicArea area, x509::Certificate ca,
               x509::Certificate ak_certificate);

  TpmOptions options_;
  x509::IssuerKey ak_, ca_key_;
  tpm::PublicArea area_;
  x509::Certificate ca_, ak_certificate_;
};

// Replaces the file of `role`, or adds one.
void SetFile(v1::Evidence& evidence, const std::string& role,
             const std::string& content);

}  // namespace kms::simtee

#endif  // TOOLS_SIMTEE_TPM_H_
