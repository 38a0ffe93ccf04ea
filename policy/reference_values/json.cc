#include "policy/reference_values/json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/formats/strict_json.h"
#include "policy/reference_values/limits.h"

namespace kms::reference_values {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kSubject = "reference values";
constexpr int kDepthMax = 3;
constexpr size_t kSignaturesMax = 8;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat(kSubject, ": ", fault));
}

absl::StatusOr<Json> ParseObject(absl::string_view text) {
  absl::StatusOr<Json> json =
      formats::ParseStrictJson(text, kSubject, kFileBytesMax * 2, kDepthMax);
  if (!json.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, json.status().message());
  }
  return json;
}

absl::StatusOr<absl::Time> ReadTime(const Json& json, absl::string_view key) {
  absl::Time time;
  std::string ignored;
  // Whole seconds of this era: what the state keeps.
  const bool plain =
      json.is_string() && json.get_ref<const std::string&>().size() >= 20 &&
      json.get_ref<const std::string&>().find_first_not_of("0123456789-+:TZ") ==
          std::string::npos;
  if (!plain ||
      !absl::ParseTime(absl::RFC3339_full, json.get_ref<const std::string&>(),
                       &time, &ignored) ||
      time < absl::FromUnixSeconds(1) ||
      time > absl::FromUnixSeconds(253'402'300'799)) {
    return Malformed(absl::StrCat(key, " is not an RFC 3339 time"));
  }
  return time;
}

absl::Status ReadValues(const Json& json, ReferenceFile& file) {
  if (!json.is_array() || json.empty() || json.size() > kValuesMax) {
    return Malformed(
        absl::StrCat("values are not a list of 1 to ", kValuesMax));
  }
  std::set<std::string> values;
  for (const Json& item : json) {
    absl::StatusOr<std::string> bytes =
        item.is_string() ? Unhex(item.get_ref<const std::string&>())
                         : absl::InvalidArgumentError("");
    if (!bytes.ok() || bytes->empty() || bytes->size() > kValueBytesMax) {
      return Malformed(absl::StrCat("a value is not hex of 1 to ",
                                    kValueBytesMax, " bytes"));
    }
    values.insert(*std::move(bytes));
  }
  file.values.assign(values.begin(), values.end());
  return absl::OkStatus();
}

absl::Status ReadTitle(const Json& json, ReferenceFile& file) {
  if (!json.is_string() ||
      json.get_ref<const std::string&>().size() > kTitleBytesMax) {
    return Malformed("title is no text, or too long");
  }
  file.title = json.get<std::string>();
  for (const char c : file.title) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return Malformed("title is not printable ASCII");
    }
  }
  return absl::OkStatus();
}

// ASN.1 for the curves: what cosign and openssl make.
bool Verifies(const crypto::PublicKey& key, absl::string_view message,
              absl::string_view signature) {
  switch (key.kind()) {
    case crypto::KeyKind::kP256:
      return key
          .VerifyEcdsa(crypto::Hash::kSha256, AsBytes(message),
                       AsBytes(signature))
          .ok();
    case crypto::KeyKind::kP384:
      return key
          .VerifyEcdsa(crypto::Hash::kSha384, AsBytes(message),
                       AsBytes(signature))
          .ok();
    case crypto::KeyKind::kEd25519:
      return key.VerifyEd25519(AsBytes(message), AsBytes(signature)).ok();
    default:
      return false;
  }
}

bool ReadBase64(const Json& object, const char* key, std::string& out) {
  return object.is_object() && object.contains(key) &&
         object[key].is_string() &&
         absl::Base64Unescape(object[key].get_ref<const std::string&>(), &out);
}

}  // namespace

std::string DsseSignedBytes(absl::string_view payload_type,
                            absl::string_view payload) {
  return absl::StrCat("DSSEv1 ", payload_type.size(), " ", payload_type, " ",
                      payload.size(), " ", payload);
}

absl::StatusOr<ReferenceFile> ReadJson(absl::string_view text) {
  if (text.size() > kFileBytesMax) {
    return Malformed(
        absl::StrCat(text.size(), " bytes, want at most ", kFileBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(const Json json, ParseObject(text));
  ReferenceFile file;
  for (const auto& [key, value] : json.items()) {
    if (key == "values") {
      KMS_RETURN_IF_ERROR(ReadValues(value, file));
    } else if (key == "title") {
      KMS_RETURN_IF_ERROR(ReadTitle(value, file));
    } else if (key == "valid_from") {
      KMS_ASSIGN_OR_RETURN(file.valid_from, ReadTime(value, key));
    } else if (key == "valid_until") {
      KMS_ASSIGN_OR_RETURN(file.valid_until, ReadTime(value, key));
    } else if (key == "issued") {
      KMS_ASSIGN_OR_RETURN(file.signed_at, ReadTime(value, key));
    } else {
      return Malformed(
          "an unknown key, want title, values, valid_from, valid_until, "
          "issued");
    }
  }
  if (file.values.empty()) return Malformed("no values");
  if (file.valid_from.has_value() && file.valid_until.has_value() &&
      *file.valid_from >= *file.valid_until) {
    return Malformed("valid_from is not before valid_until");
  }
  return file;
}

absl::StatusOr<ReferenceFile> ReadSignedJson(absl::string_view text,
                                             const crypto::PublicKey& signer) {
  KMS_ASSIGN_OR_RETURN(const Json envelope, ParseObject(text));
  std::string payload;
  if (!envelope.contains("payloadType") ||
      envelope["payloadType"] != kPayloadType ||
      !ReadBase64(envelope, "payload", payload) ||
      !envelope.contains("signatures") || !envelope["signatures"].is_array() ||
      envelope["signatures"].size() > kSignaturesMax) {
    return Malformed(
        absl::StrCat("no DSSE envelope of the type ", kPayloadType));
  }
  const std::string message = DsseSignedBytes(kPayloadType, payload);
  for (const Json& entry : envelope["signatures"]) {
    std::string signature;
    if (!ReadBase64(entry, "sig", signature)) {
      return Malformed("a signature is not base64");
    }
    if (Verifies(signer, message, signature)) return ReadJson(payload);
  }
  return Refuse(v1::SIGNATURE_INVALID,
                "reference values: not signed by the anchor's key");
}

}  // namespace kms::reference_values
