// What the platform token of an Arm CCA token says: which firmware runs below
// the realm, in which state of its life the chip is, and the digest of the
// key that signs for realms. Source: Arm DEN0137 (RMM specification) 1.0,
// A7.2.3.2, and 2.0, A7.2.3.3; draft-ffm-rats-cca-token.
// Thread-safe: values and free functions. Unverified claims prove nothing;
// verify.h turns them into ones that do.
#ifndef POLICY_CCA_PLATFORM_H_
#define POLICY_CCA_PLATFORM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::cca {

// The profile before 1.0, which describes both tokens; then those of 1.0 and
// 2.0.
inline constexpr absl::string_view kPlatformProfileLegacy =
    "http://arm.com/CCA-SSD/1.0.0";
inline constexpr absl::string_view kPlatformProfile1 =
    "tag:arm.com,2023:cca_platform#1.0.0";
inline constexpr absl::string_view kPlatformProfile2 =
    "tag:arm.com,2024:cca_platform#2.0.0";

// Who asked for the token: the Realm Management Security Domain.
inline constexpr uint64_t kClientRealmManagement = 1;

struct SoftwareComponent {
  std::string type;         // Empty if it does not say.
  std::string measurement;  // 32, 48 or 64 bytes, as is the signer's id.
  std::string version;      // Empty if it does not say.
  std::string signer_id;
  std::string hash_algorithm;  // As stated; the platform's if empty.

  friend bool operator==(const SoftwareComponent&,
                         const SoftwareComponent&) = default;
};

struct UnverifiedPlatform {
  std::string profile;            // One of the above.
  std::string challenge;          // 32, 48 or 64 bytes.
  std::string implementation_id;  // 32 bytes.
  std::string instance_id;        // 33 bytes; the first is 0x01.
  std::string config;
  uint16_t lifecycle = 0;
  std::string hash_algorithm;         // That HashNamed knows.
  std::string verification_service;   // Empty if it does not say.
  std::optional<uint64_t> client_id;  // Always there in profile 2.
  std::vector<SoftwareComponent> software_components;  // At least one.

  friend bool operator==(const UnverifiedPlatform&,
                         const UnverifiedPlatform&) = default;
};

// The claims set of the token. Heads may be longer than needed: the profile
// wants a "variation-tolerant" decoder. Claims that we do not know are ignored.
//   EVIDENCE_MALFORMED     a claim is missing, or of another type or size
//   EVIDENCE_UNSUPPORTED   another profile or hash algorithm
//   EVIDENCE_INCONSISTENT  made for another client than realm management
absl::StatusOr<UnverifiedPlatform> ParsePlatform(BytesView claims);

// A claims set that says this, for simulators.
std::string EncodePlatform(const UnverifiedPlatform& platform);

}  // namespace kms::cca

#endif  // POLICY_CCA_PLATFORM_H_
