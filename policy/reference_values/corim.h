// A signed CoRIM: Reference Values as a vendor or a build system issues them.
// Source: draft-ietf-rats-corim, sections "CoRIM", "CoMID" and "Signed CoRIM";
// RFC 9052 for the signature. What is read of it:
//
//   file     = #6.18([protected, {}, payload, signature])    ES256 or ES384
//   payload  = #6.501({0: id, 1: [+ #6.506(<< comid >>)], ? 4: validity, ...})
//   comid    = {1: identity, 4: {0: [+ [environment, [+ measurement]]], ...}}
//   measurement = {? 0: key, 1: {? 2: [+ digest], ? 4: #6.560(raw value),
//                                ? 14: {+ register => [+ digest]}, ...}}
//   validity = {? 0: #6.1(not before), ? 1: #6.1(not after)}
//
// The protected header may narrow the validity: corim-meta's, and CWT claims'.
// Every digest, raw value and register's digest of a reference triple is a
// value; what environment it stands for is not kept, so a file should be of one
// component, or a key should choose its measurements. Tags of other kinds and
// dependent CoRIMs are refused: what they add is not here. Other triples state
// no Reference Values and are passed over.
// Thread-safe: free functions.
#ifndef POLICY_REFERENCE_VALUES_CORIM_H_
#define POLICY_REFERENCE_VALUES_CORIM_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "policy/reference_values/reference_file.h"

namespace kms::reference_values {

// `measurement_key`: empty, or only measurements whose key is this text, or
// this number in decimal.
// SIGNATURE_INVALID: not signed by `signer`. ENDORSEMENT_MALFORMED: not of the
// form above, or no value in it, or over a bound.
absl::StatusOr<ReferenceFile> ReadCorim(BytesView file,
                                        const crypto::PublicKey& signer,
                                        absl::string_view measurement_key);

// The same of an envelope whose signature was verified: ReadCorim's second
// half, for its fuzz target.
absl::StatusOr<ReferenceFile> ReadVerifiedCorim(
    BytesView protected_header, BytesView payload,
    absl::string_view measurement_key);

}  // namespace kms::reference_values

#endif  // POLICY_REFERENCE_VALUES_CORIM_H_
