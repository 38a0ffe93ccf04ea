// The envelope of an Arm CCA token: two signed tokens in one collection.
// Source: Arm DEN0137 (RMM specification) 1.0 and 2.0, A7.2.3; RFC 9052;
// draft-ietf-rats-msg-wrap (conceptual message wrapper).
//
//   token = #6.399(collection) / #6.907(collection)
//   collection = { 44234 => entry, 44241 => entry }  ; platform, realm
//   entry = bytes .cbor #6.18(COSE_Sign1) / [263, bytes .cbor ...]
//
// RMM 1.0 has tag 399 and plain entries, 2.0 tag 907 and entries that say
// their type; each tag is read with either. Another entry is refused: nobody
// signs for the collection, and we do not verify what it may carry (devices,
// logs, certificates).
// Thread-safe: a free function. Verifies nothing.
#ifndef POLICY_CCA_TOKEN_H_
#define POLICY_CCA_TOKEN_H_

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "policy/cbor/cose.h"

namespace kms::cca {

inline constexpr uint64_t kTagCollection1 = 399;
inline constexpr uint64_t kTagCollection2 = 907;
inline constexpr int64_t kPlatformEntry = 44234;
inline constexpr int64_t kRealmEntry = 44241;
inline constexpr uint64_t kContentFormatEatCwt = 263;

// Views alias the file.
struct Envelopes {
  cbor::Sign1 platform;
  cbor::Sign1 realm;
  BytesView platform_token;  // All of the platform's COSE_Sign1.
};

//   EVIDENCE_MALFORMED    not as above: one token alone, another tag
//   EVIDENCE_UNSUPPORTED  another entry, and what ParseSign1 says
absl::StatusOr<Envelopes> ParseToken(BytesView file);

}  // namespace kms::cca

#endif  // POLICY_CCA_TOKEN_H_
