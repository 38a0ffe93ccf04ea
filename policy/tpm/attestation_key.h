// The attestation key (AK) of a TPM as it comes with Evidence, in any form
// that TPM tools write it in.
// Thread-safe: values and free functions.
// Does not say whose key it is: ak_trust.h does.
#ifndef POLICY_TPM_ATTESTATION_KEY_H_
#define POLICY_TPM_ATTESTATION_KEY_H_

#include <optional>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "policy/tpm/public_area.h"

namespace kms::tpm {

struct AttestationKey {
  crypto::PublicKey key;
  // Where a TPM's structure was given; its attributes were checked then.
  std::optional<PublicArea> area;
};

// `file`: TPMT_PUBLIC, TPM2B_PUBLIC (the same after its u16 size), or a
// SubjectPublicKeyInfo in DER or PEM.
//   EVIDENCE_MALFORMED, EVIDENCE_UNSUPPORTED  it does not parse, or the kind
//                          of key is not one that we verify with
//   ENDORSEMENT_MISMATCH   a TPM's structure, but not of an attestation key
absl::StatusOr<AttestationKey> ParseAttestationKey(BytesView file);

}  // namespace kms::tpm

#endif  // POLICY_TPM_ATTESTATION_KEY_H_
