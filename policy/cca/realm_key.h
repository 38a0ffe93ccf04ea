// Reads the Realm Attestation Key out of a realm token.
// Source: RFC 9052, section 7, and RFC 9053, section 7.1.1 (COSE_Key, EC2);
// Arm DEN0137 (RMM specification), "Realm public key claim".
// Thread-safe: a free function. Whether the platform vouches for the key is
// verify.h's question.
#ifndef POLICY_CCA_REALM_KEY_H_
#define POLICY_CCA_REALM_KEY_H_

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "policy/cbor/cose.h"

namespace kms::cca {

enum class RealmKeyForm {
  kPoint,    // 0x04, x, y: before RMM 1.0.
  kCoseKey,  // EC2 with x and y, uncompressed.
};

// A key on the curve of `algorithm`, which the realm token is signed with.
//   EVIDENCE_MALFORMED     no such key, or not on its curve
//   EVIDENCE_UNSUPPORTED   another type of key, a compressed point, a
//                          parameter that we do not know
//   EVIDENCE_INCONSISTENT  on another curve, or for another algorithm or use
absl::StatusOr<crypto::PublicKey> ReadRealmKey(BytesView bytes,
                                               RealmKeyForm form,
                                               cbor::Algorithm algorithm);

}  // namespace kms::cca

#endif  // POLICY_CCA_REALM_KEY_H_
