// What the realm token of an Arm CCA token says: what runs in the realm, the
// challenge it was asked with, and the key that signs it. Source: Arm DEN0137
// (RMM specification) 1.0 and 2.0, A7.2.3.1; draft-ffm-rats-cca-token.
// Thread-safe: values and free functions. Unverified claims prove nothing;
// verify.h turns them into ones that do.
#ifndef POLICY_CCA_REALM_H_
#define POLICY_CCA_REALM_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::cca {

// Of RMM 1.0 and 2.0. Before, a realm token had none.
inline constexpr absl::string_view kRealmProfile1 =
    "tag:arm.com,2023:realm#1.0.0";
inline constexpr absl::string_view kRealmProfile2 =
    "tag:arm.com,2024:realm#2.0.0";

struct UnverifiedRealm {
  std::string profile;              // Empty, or one of the above.
  std::string challenge;            // 64 bytes.
  std::string personalization;      // RPV, 64 bytes.
  std::string initial_measurement;  // RIM: 32, 48 or 64 bytes,
  std::array<std::string, 4> extensible_measurements;  // and so each REM.
  std::string hash_algorithm;                          // That HashNamed knows,
  std::string public_key_hash_algorithm;               // and so this.
  std::string public_key;  // RAK, as encoded in the token.
  // Profile 2 only.
  std::string instance_id;             // 33 bytes, or empty.
  std::optional<uint64_t> mec_policy;  // Memory encryption: 1 is private.
  std::optional<uint64_t> lfa_policy;  // Firmware may change below: 1.
  std::string devices_digest;  // Of the devices assigned; empty if none are.

  friend bool operator==(const UnverifiedRealm&,
                         const UnverifiedRealm&) = default;
};

// The claims set of the token; see ParsePlatform.
//   EVIDENCE_MALFORMED     a claim is missing, or of another type or size
//   EVIDENCE_UNSUPPORTED   another profile or hash algorithm
//   EVIDENCE_INCONSISTENT  measurements that differ in size, or are shorter
//                          than the hash that they are said to be of
absl::StatusOr<UnverifiedRealm> ParseRealm(BytesView claims);

// A claims set that says this, for simulators.
std::string EncodeRealm(const UnverifiedRealm& realm);

}  // namespace kms::cca

#endif  // POLICY_CCA_REALM_H_
