#include "policy/cca/realm.h"

#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cbor/item.h"
#include "policy/cbor/writer.h"
#include "policy/cca/claim_reader.h"
#include "policy/cca/hash_name.h"
#include "policy/cca/limits.h"

namespace kms::cca {
namespace {

constexpr char kSubject[] = "cca realm token";

constexpr int64_t kChallenge = 10;
constexpr int64_t kInstanceId = 256;
constexpr int64_t kProfile = 265;
constexpr int64_t kPersonalization = 44235;
constexpr int64_t kHashAlgorithm = 44236;
constexpr int64_t kPublicKey = 44237;
constexpr int64_t kInitialMeasurement = 44238;
constexpr int64_t kExtensibleMeasurements = 44239;
constexpr int64_t kPublicKeyHashAlgorithm = 44240;
constexpr int64_t kMecPolicy = 44243;
constexpr int64_t kLfaPolicy = 44244;
constexpr int64_t kDevicesDigest = 44257;

constexpr size_t kChallengeBytes = 64;
constexpr size_t kPersonalizationBytes = 64;
constexpr size_t kInstanceIdBytes = 33;
constexpr char kUeidRand = 0x01;  // RFC 9711, section 4.2.1.
constexpr size_t kExtensibleCount = 4;

void ReadMeasurements(ClaimReader& reader, UnverifiedRealm& realm) {
  realm.initial_measurement = reader.Hash(kInitialMeasurement);
  const cbor::Item* array =
      reader.Array(kExtensibleMeasurements, kExtensibleCount, kExtensibleCount);
  if (array == nullptr) return;
  for (size_t i = 0; i < kExtensibleCount; ++i) {
    const auto bytes = array->items()[i].Bytes();
    if (!bytes.has_value()) {
      reader.Fail(kExtensibleMeasurements, "byte strings");
      return;
    }
    realm.extensible_measurements[i] = ToString(*bytes);
  }
}

void ReadProfile2(ClaimReader& reader, UnverifiedRealm& realm) {
  realm.instance_id = reader.Bytes(kInstanceId, kInstanceIdBytes);
  if (!realm.instance_id.empty() && realm.instance_id[0] != kUeidRand) {
    reader.Fail(kInstanceId, "a UEID of type RAND");
  }
  realm.mec_policy = reader.Unsigned(kMecPolicy, 1);
  if (reader.Has(kLfaPolicy)) {
    realm.lfa_policy = reader.Unsigned(kLfaPolicy, 1);
  }
  if (reader.Has(kDevicesDigest)) {
    realm.devices_digest = reader.Hash(kDevicesDigest);
  }
}

absl::Status Check(const UnverifiedRealm& realm) {
  const auto unsupported = [](absl::string_view fault) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  absl::StrCat(kSubject, ": ", fault));
  };
  if (!realm.profile.empty() && realm.profile != kRealmProfile1 &&
      realm.profile != kRealmProfile2) {
    return unsupported("profile");
  }
  const auto hash = HashNamed(realm.hash_algorithm);
  if (!hash.has_value() ||
      !HashNamed(realm.public_key_hash_algorithm).has_value()) {
    return unsupported("hash algorithm");
  }
  // Registers may be wider than the hash in them, never narrower.
  const size_t size = realm.initial_measurement.size();
  bool consistent = size >= crypto::HashSize(*hash);
  for (const std::string& measurement : realm.extensible_measurements) {
    consistent = consistent && measurement.size() == size;
  }
  if (consistent) return absl::OkStatus();
  return Refuse(
      v1::EVIDENCE_INCONSISTENT,
      absl::StrCat(kSubject, ": measurements of another size than their hash"));
}

}  // namespace

absl::StatusOr<UnverifiedRealm> ParseRealm(BytesView claims) {
  KMS_ASSIGN_OR_RETURN(const cbor::Item map,
                       cbor::Parse(claims, {.long_heads = true}, kSubject));
  ClaimReader reader(map, kSubject);
  UnverifiedRealm realm;
  realm.profile = reader.OptionalText(kProfile);
  realm.challenge = reader.Bytes(kChallenge, kChallengeBytes);
  realm.personalization = reader.Bytes(kPersonalization, kPersonalizationBytes);
  ReadMeasurements(reader, realm);
  realm.hash_algorithm = reader.Text(kHashAlgorithm);
  realm.public_key = reader.Bytes(kPublicKey, 1, kRealmKeyBytesMax);
  realm.public_key_hash_algorithm = reader.Text(kPublicKeyHashAlgorithm);
  if (realm.profile == kRealmProfile2) ReadProfile2(reader, realm);
  KMS_RETURN_IF_ERROR(reader.status());
  KMS_RETURN_IF_ERROR(Check(realm));
  return realm;
}

std::string EncodeRealm(const UnverifiedRealm& realm) {
  cbor::Writer out;
  const bool two = realm.profile == kRealmProfile2;
  out.Map(7u + (realm.profile.empty() ? 0 : 1) + (two ? 2 : 0) +
          (realm.lfa_policy.has_value() ? 1 : 0) +
          (realm.devices_digest.empty() ? 0 : 1));
  if (!realm.profile.empty()) out.Integer(kProfile).Text(realm.profile);
  out.Integer(kChallenge).Bytes(realm.challenge);
  out.Integer(kPersonalization).Bytes(realm.personalization);
  out.Integer(kInitialMeasurement).Bytes(realm.initial_measurement);
  out.Integer(kExtensibleMeasurements).Array(kExtensibleCount);
  for (const std::string& measurement : realm.extensible_measurements) {
    out.Bytes(measurement);
  }
  out.Integer(kHashAlgorithm).Text(realm.hash_algorithm);
  out.Integer(kPublicKey).Bytes(realm.public_key);
  out.Integer(kPublicKeyHashAlgorithm).Text(realm.public_key_hash_algorithm);
  if (two) {
    out.Integer(kInstanceId).Bytes(realm.instance_id);
    out.Integer(kMecPolicy).Unsigned(realm.mec_policy.value_or(0));
  }
  if (realm.lfa_policy.has_value()) {
    out.Integer(kLfaPolicy).Unsigned(*realm.lfa_policy);
  }
  if (!realm.devices_digest.empty()) {
    out.Integer(kDevicesDigest).Bytes(realm.devices_digest);
  }
  return out.Take();
}

}  // namespace kms::cca
