#include "policy/cca/platform.h"

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

constexpr char kSubject[] = "cca platform token";

constexpr int64_t kChallenge = 10;
constexpr int64_t kInstanceId = 256;
constexpr int64_t kProfile = 265;
constexpr int64_t kClientId = 2394;
constexpr int64_t kLifecycle = 2395;
constexpr int64_t kImplementationId = 2396;
constexpr int64_t kSoftwareComponents = 2399;
constexpr int64_t kVerificationService = 2400;
constexpr int64_t kConfig = 2401;
constexpr int64_t kHashAlgorithm = 2402;

// Of a software component.
constexpr int64_t kType = 1;
constexpr int64_t kMeasurement = 2;
constexpr int64_t kVersion = 4;
constexpr int64_t kSignerId = 5;
constexpr int64_t kComponentHashAlgorithm = 6;

constexpr size_t kImplementationIdBytes = 32;
constexpr size_t kInstanceIdBytes = 33;
constexpr char kUeidRand = 0x01;  // RFC 9711, section 4.2.1.

absl::StatusOr<SoftwareComponent> ReadComponent(const cbor::Item& item) {
  ClaimReader reader(item, "cca software component");
  SoftwareComponent component;
  component.type = reader.OptionalText(kType);
  component.measurement = reader.Hash(kMeasurement);
  component.version = reader.OptionalText(kVersion);
  component.signer_id = reader.Hash(kSignerId);
  component.hash_algorithm = reader.OptionalText(kComponentHashAlgorithm);
  KMS_RETURN_IF_ERROR(reader.status());
  return component;
}

absl::Status Check(const UnverifiedPlatform& platform) {
  const auto unsupported = [](absl::string_view fault) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  absl::StrCat(kSubject, ": ", fault));
  };
  if (platform.profile != kPlatformProfileLegacy &&
      platform.profile != kPlatformProfile1 &&
      platform.profile != kPlatformProfile2) {
    return unsupported("profile");
  }
  if (!HashNamed(platform.hash_algorithm).has_value()) {
    return unsupported("hash algorithm");
  }
  // A token made for another security domain has that domain's challenge, and
  // so may name a key that is no realm manager's.
  if (platform.client_id.has_value() &&
      *platform.client_id != kClientRealmManagement) {
    return Refuse(v1::EVIDENCE_INCONSISTENT,
                  absl::StrCat(kSubject, ": client ", *platform.client_id,
                               ", want realm management"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnverifiedPlatform> ParsePlatform(BytesView claims) {
  KMS_ASSIGN_OR_RETURN(const cbor::Item map,
                       cbor::Parse(claims, {.long_heads = true}, kSubject));
  ClaimReader reader(map, kSubject);
  UnverifiedPlatform platform;
  platform.profile = reader.Text(kProfile);
  platform.challenge = reader.Hash(kChallenge);
  platform.implementation_id =
      reader.Bytes(kImplementationId, kImplementationIdBytes);
  platform.instance_id = reader.Bytes(kInstanceId, kInstanceIdBytes);
  if (!platform.instance_id.empty() && platform.instance_id[0] != kUeidRand) {
    reader.Fail(kInstanceId, "a UEID of type RAND");
  }
  platform.config = reader.Bytes(kConfig, 0, kPlatformConfigBytesMax);
  platform.lifecycle =
      static_cast<uint16_t>(reader.Unsigned(kLifecycle, 0xffff));
  platform.hash_algorithm = reader.Text(kHashAlgorithm);
  platform.verification_service = reader.OptionalText(kVerificationService);
  if (reader.Has(kClientId) || platform.profile == kPlatformProfile2) {
    platform.client_id = reader.Unsigned(kClientId, UINT64_MAX);
  }
  const cbor::Item* components =
      reader.Array(kSoftwareComponents, 1, kSoftwareComponentsMax);
  KMS_RETURN_IF_ERROR(reader.status());
  for (const cbor::Item& item : components->items()) {
    KMS_ASSIGN_OR_RETURN(platform.software_components.emplace_back(),
                         ReadComponent(item));
  }
  KMS_RETURN_IF_ERROR(Check(platform));
  return platform;
}

std::string EncodePlatform(const UnverifiedPlatform& platform) {
  cbor::Writer out;
  const bool has_service = !platform.verification_service.empty();
  const bool has_client = platform.client_id.has_value();
  out.Map(8u + (has_service ? 1 : 0) + (has_client ? 1 : 0));
  out.Integer(kProfile).Text(platform.profile);
  out.Integer(kChallenge).Bytes(platform.challenge);
  out.Integer(kImplementationId).Bytes(platform.implementation_id);
  out.Integer(kInstanceId).Bytes(platform.instance_id);
  out.Integer(kConfig).Bytes(platform.config);
  out.Integer(kLifecycle).Unsigned(platform.lifecycle);
  out.Integer(kHashAlgorithm).Text(platform.hash_algorithm);
  if (has_service) {
    out.Integer(kVerificationService).Text(platform.verification_service);
  }
  if (has_client) out.Integer(kClientId).Unsigned(*platform.client_id);
  out.Integer(kSoftwareComponents).Array(platform.software_components.size());
  for (const SoftwareComponent& component : platform.software_components) {
    const auto text = [&out](int64_t key, const std::string& value) {
      if (!value.empty()) out.Integer(key).Text(value);
    };
    out.Map(2u + (component.type.empty() ? 0 : 1) +
            (component.version.empty() ? 0 : 1) +
            (component.hash_algorithm.empty() ? 0 : 1));
    text(kType, component.type);
    out.Integer(kMeasurement).Bytes(component.measurement);
    text(kVersion, component.version);
    out.Integer(kSignerId).Bytes(component.signer_id);
    text(kComponentHashAlgorithm, component.hash_algorithm);
  }
  return out.Take();
}

}  // namespace kms::cca
