// Bounds on what a sender may offer with a TPM's quote.
#ifndef POLICY_TPM_LIMITS_H_
#define POLICY_TPM_LIMITS_H_

#include <cstddef>

#include "policy/formats/json.h"

namespace kms::tpm {

// TPM 2.0 part 2, TPMS_ATTEST: names and nonces are under 70 bytes each, so a
// quote of one bank is under 300.
inline constexpr size_t kAttestBytesMax = 512;
// TPM2B_DATA holds what a TPMT_HA does: an algorithm and a SHA-512.
inline constexpr size_t kExtraDataBytesMax = 66;

// RSA of 4096 bits and its header; an ECDSA signature is far shorter.
inline constexpr size_t kSignatureBytesMax = 1024;
// The same for TPMT_PUBLIC, whose policy digest adds at most 64 bytes.
inline constexpr size_t kPublicAreaBytesMax = 1024;
// A public key in PEM.
inline constexpr size_t kPublicKeyFileBytesMax = 4096;

// 24 PCRs of SHA-384 in JSON are under 3 KiB; spaces are allowed for.
inline constexpr formats::JsonBounds kPcrsBounds = {
    .bytes_max = 16 * 1024, .depth_max = 2, .values_max = 32};
// PC Client Platform TPM Profile: PCRs 0 to 23, so a selection is three bytes.
inline constexpr size_t kPcrCount = 24;

// All that comes with a quote: certificates and CRLs as for any chain, and a
// firmware event log, which is the largest of them by far.
inline constexpr size_t kEvidenceBytesMax = 1024 * 1024 + 256 * 1024;

// What an NV index that holds a certificate is padded to. Azure's is 4 KiB.
inline constexpr size_t kCertificatePaddingBytesMax = 4 * 1024;

}  // namespace kms::tpm

#endif  // POLICY_TPM_LIMITS_H_
