// Reference Values as JSON, signed in a DSSE envelope or bare.
// Source: DSSE 1.0.2, protocol.md and envelope.md (the format of in-toto and
// sigstore).
//
//   {"title": "guest images of May",            optional
//    "values": ["<hex>", ...],
//    "valid_from": "2025-05-01T00:00:00Z",      optional, as the next two
//    "valid_until": "2025-09-01T00:00:00Z",
//    "issued": "2025-04-28T09:00:00Z"}
//
//   {"payloadType": "application/vnd.kms.reference-values+json",
//    "payload": "<base64 of the above>",
//    "signatures": [{"keyid": "...", "sig": "<base64>"}]}
//
// A signature is by P-256 with SHA-256 or P-384 with SHA-384 (ASN.1), or by
// Ed25519, as the key is. `keyid` is a hint and is not believed. Texts are
// plain ASCII, as policy/formats/json.h demands. Thread-safe: free functions.
#ifndef POLICY_REFERENCE_VALUES_JSON_H_
#define POLICY_REFERENCE_VALUES_JSON_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/crypto/public_key.h"
#include "policy/reference_values/reference_file.h"

namespace kms::reference_values {

inline constexpr char kPayloadType[] =
    "application/vnd.kms.reference-values+json";

// What a signature covers: DSSE's pre-authentication encoding.
std::string DsseSignedBytes(absl::string_view payload_type,
                            absl::string_view payload);

// ENDORSEMENT_MALFORMED: not of the form above, or over a bound.
absl::StatusOr<ReferenceFile> ReadJson(absl::string_view file);

// SIGNATURE_INVALID: none of its signatures is `signer`'s.
// ENDORSEMENT_MALFORMED as ReadJson.
absl::StatusOr<ReferenceFile> ReadSignedJson(absl::string_view file,
                                             const crypto::PublicKey& signer);

}  // namespace kms::reference_values

#endif  // POLICY_REFERENCE_VALUES_JSON_H_
