// What an AWS Nitro attestation document says. Source: AWS, "Nitro Enclaves
// Attestation Process", sections 2.2 and 3 (aws-nitro-enclaves-nsm-api).
//
//   COSE_Sign1 = [ protected {1: -35}, unprotected {}, payload, signature 96 ]
//   payload = { module_id: text, digest: "SHA384", timestamp: uint,
//               pcrs: { 0..31 => bytes 48 }, certificate: bytes,
//               cabundle: [+ bytes], ? public_key, ? user_data, ? nonce }
//
// Tag 18 may be there or not; the hypervisor writes none. Optional fields may
// be null, as the hypervisor writes them. The payload may have maps and arrays
// of indefinite length: hypervisors write its outermost map so since 2025.
// A key that AWS does not name is refused: a NitroTPM's document has its
// registers under one of its own, and is no enclave's.
// Thread-safe: values and free functions. An UnverifiedDocument proves
// nothing; verify.h turns it into one that does.
#ifndef POLICY_NITRO_DOCUMENT_H_
#define POLICY_NITRO_DOCUMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/cbor/cose.h"

namespace kms::nitro {

struct UnverifiedDocument {
  std::string module_id;
  int64_t timestamp_ms = 0;              // Since 1970 UTC.
  std::map<uint32_t, std::string> pcrs;  // 48 bytes each; 0, 1 and 2 are there.
  std::string certificate;               // DER, as are these:
  std::vector<std::string> cabundle;     // Root first.
  std::string public_key;                // Empty if null or absent,
  std::string user_data;                 // as are these.
  std::string nonce;

  friend bool operator==(const UnverifiedDocument&,
                         const UnverifiedDocument&) = default;
};

// The envelope. Views alias `file`.
//   EVIDENCE_MALFORMED    no COSE_Sign1 with an empty unprotected header
//   EVIDENCE_UNSUPPORTED  an algorithm other than ES384, critical headers
absl::StatusOr<cbor::Sign1> ParseEnvelope(BytesView file);

// The payload.
//   EVIDENCE_MALFORMED    not as above, or over a bound of limits.h
//   EVIDENCE_UNSUPPORTED  another digest, or a field that we do not know
absl::StatusOr<UnverifiedDocument> ParseDocument(BytesView payload);

// A payload that says this, for simulators; fields that are empty are null.
std::string EncodeDocument(const UnverifiedDocument& document);

}  // namespace kms::nitro

#endif  // POLICY_NITRO_DOCUMENT_H_
