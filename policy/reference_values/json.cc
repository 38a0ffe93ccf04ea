#include "policy/reference_values/json.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/formats/json.h"
#include "policy/reference_values/limits.h"

namespace kms::reference_values {
namespace {

using formats::JsonValue;

constexpr absl::string_view kSubject = "reference values";
constexpr size_t kSignaturesMax = 8;
// An envelope is base64 of the file proper; it nests three deep, and has few
// values beside those that are asked for.
constexpr formats::JsonBounds kBounds = {.bytes_max = 2 * kFileBytesMax,
                                         .depth_max = 3,
                                         .values_max = kValuesMax + 64};

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat(kSubject, ": ", fault));
}

absl::StatusOr<JsonValue> ParseObject(absl::string_view text) {
  absl::StatusOr<JsonValue> json = formats::ParseJson(text, kSubject, kBounds);
  if (!json.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, json.status().message());
  }
  if (!json->is_object()) return Malformed("no JSON object");
  return json;
}

absl::StatusOr<absl::Time> ReadTime(const JsonValue& json,
                                    absl::string_view key) {
  const absl::string_view text = json.String().value_or("");
  absl::Time time;
  std::string ignored;
  // Whole seconds of this era: what the state keeps.
  const bool plain =
      text.size() >= 20 &&
      text.find_first_not_of("0123456789-+:TZ") == absl::string_view::npos;
  if (!plain || !absl::ParseTime(absl::RFC3339_full, text, &time, &ignored) ||
      time < absl::FromUnixSeconds(1) ||
      time > absl::FromUnixSeconds(253'402'300'799)) {
    return Malformed(absl::StrCat(key, " is not an RFC 3339 time"));
  }
  return time;
}

absl::Status ReadValues(const JsonValue& json, ReferenceFile& file) {
  if (json.items.empty() || json.items.size() > kValuesMax) {
    return Malformed(
        absl::StrCat("values are not a list of 1 to ", kValuesMax));
  }
  std::set<std::string> values;
  for (const JsonValue& item : json.items) {
    absl::StatusOr<std::string> bytes = Unhex(item.String().value_or(""));
    if (!bytes.ok() || bytes->empty() || bytes->size() > kValueBytesMax) {
      return Malformed(absl::StrCat("a value is not hex of 1 to ",
                                    kValueBytesMax, " bytes"));
    }
    values.insert(*std::move(bytes));
  }
  file.values.assign(values.begin(), values.end());
  return absl::OkStatus();
}

absl::Status ReadTitle(const JsonValue& json, ReferenceFile& file) {
  // The parser's strings are printable ASCII.
  const auto title = json.String();
  if (!title.has_value() || title->size() > kTitleBytesMax) {
    return Malformed("title is no text, or too long");
  }
  file.title = std::string(*title);
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

bool ReadBase64(const JsonValue& object, absl::string_view name,
                std::string& out) {
  const JsonValue* member = object.Find(name);
  return member != nullptr && member->String().has_value() &&
         absl::Base64Unescape(*member->String(), &out);
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
  KMS_ASSIGN_OR_RETURN(const JsonValue json, ParseObject(text));
  ReferenceFile file;
  for (const auto& [key, value] : json.members) {
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
  KMS_ASSIGN_OR_RETURN(const JsonValue envelope, ParseObject(text));
  const JsonValue* type = envelope.Find("payloadType");
  const JsonValue* signatures = envelope.Find("signatures");
  std::string payload;
  if (type == nullptr || type->String() != absl::string_view(kPayloadType) ||
      !ReadBase64(envelope, "payload", payload) || signatures == nullptr ||
      !signatures->is_array() || signatures->items.size() > kSignaturesMax) {
    return Malformed(
        absl::StrCat("no DSSE envelope of the type ", kPayloadType));
  }
  const std::string message = DsseSignedBytes(kPayloadType, payload);
  for (const JsonValue& entry : signatures->items) {
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
