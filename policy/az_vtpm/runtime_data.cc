#include "policy/az_vtpm/runtime_data.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/az_vtpm/limits.h"
#include "policy/formats/json.h"

namespace kms::az_vtpm {
namespace {

using formats::JsonValue;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("hcl runtime data: ", fault));
}

// The member's text; empty if it is absent or of another kind.
absl::string_view Text(const JsonValue& object, absl::string_view name) {
  const JsonValue* found = object.Find(name);
  return found == nullptr ? "" : found->String().value_or("");
}

// RFC 7515, appendix C: without padding, and one encoding per value.
absl::StatusOr<std::string> Number(const JsonValue& key,
                                   absl::string_view name) {
  const absl::string_view text = Text(key, name);
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes) ||
      absl::WebSafeBase64Escape(bytes) != text) {
    return Malformed("a number of HCLAkPub is not base64url");
  }
  return bytes;
}

// RFC 7517 4.2, 4.3: both say what the key may be used for.
bool ForSigningOnly(const JsonValue& key) {
  if (key.Find("use") != nullptr && Text(key, "use") != "sig") return false;
  const JsonValue* operations = key.Find("key_ops");
  return operations != nullptr && operations->items.size() == 1 &&
         operations->items[0].String() == absl::string_view("sign");
}

absl::StatusOr<crypto::PublicKey> ReadAk(const JsonValue& json) {
  const JsonValue* keys = json.Find("keys");
  if (keys == nullptr || !keys->is_array()) return Malformed("no keys");
  const JsonValue* ak = nullptr;
  for (const JsonValue& key : keys->items) {
    if (!key.is_object()) return Malformed("a key is no object");
    if (Text(key, "kid") != "HCLAkPub") continue;
    if (ak != nullptr) return Malformed("two keys are HCLAkPub");
    ak = &key;
  }
  if (ak == nullptr) return Malformed("no key is HCLAkPub");
  if (Text(*ak, "kty") != "RSA") {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  "hcl runtime data: HCLAkPub is not RSA");
  }
  if (!ForSigningOnly(*ak)) {
    return Refuse(v1::ENDORSEMENT_MISMATCH,
                  "hcl runtime data: HCLAkPub is not for signing only");
  }
  KMS_ASSIGN_OR_RETURN(const std::string n, Number(*ak, "n"));
  KMS_ASSIGN_OR_RETURN(const std::string e, Number(*ak, "e"));
  absl::StatusOr<crypto::PublicKey> key =
      crypto::PublicKey::FromRsa(AsBytes(n), AsBytes(e));
  if (!key.ok()) return Malformed("HCLAkPub is no key that we accept");
  return key;
}

absl::Status ReadFlag(const JsonValue& configuration, absl::string_view name,
                      bool* flag) {
  const JsonValue* found = configuration.Find(name);
  if (found == nullptr) return absl::OkStatus();
  if (!found->Bool().has_value()) {
    return Malformed("a flag that is no boolean");
  }
  *flag = *found->Bool();
  return absl::OkStatus();
}

absl::Status ReadConfiguration(const JsonValue& json, RuntimeData& data) {
  const JsonValue* found = json.Find("vm-configuration");
  if (found == nullptr) return absl::OkStatus();
  if (!found->is_object()) return Malformed("vm-configuration is no object");
  data.has_vm_configuration = true;
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "secure-boot", &data.secure_boot));
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "tpm-enabled", &data.tpm_enabled));
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "tpm-persisted", &data.tpm_persisted));
  KMS_RETURN_IF_ERROR(
      ReadFlag(*found, "console-enabled", &data.console_enabled));
  const JsonValue* id = found->Find("vmUniqueId");
  if (id == nullptr) return absl::OkStatus();
  if (!id->String().has_value() || id->String()->size() > kVmIdBytesMax) {
    return Malformed("vmUniqueId is no short text");
  }
  data.vm_unique_id = std::string(*id->String());
  return absl::OkStatus();
}

absl::Status ReadUserData(const JsonValue& json, RuntimeData& data) {
  const JsonValue* found = json.Find("user-data");
  if (found == nullptr) return absl::OkStatus();
  absl::StatusOr<std::string> bytes = Unhex(found->String().value_or("?"));
  if (!bytes.ok() || bytes->size() != kUserDataBytes) {
    return Malformed(
        absl::StrCat("user-data is not hex of ", kUserDataBytes, " bytes"));
  }
  data.user_data = *std::move(bytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RuntimeData> ParseRuntimeData(absl::string_view text) {
  const absl::StatusOr<JsonValue> json =
      formats::ParseJson(text, "hcl runtime data", kRuntimeDataBounds);
  if (!json.ok()) {
    return Refuse(v1::EVIDENCE_MALFORMED, json.status().message());
  }
  if (!json->is_object()) return Malformed("no object");
  KMS_ASSIGN_OR_RETURN(crypto::PublicKey ak, ReadAk(*json));
  RuntimeData data = {.ak = std::move(ak)};
  KMS_RETURN_IF_ERROR(ReadConfiguration(*json, data));
  KMS_RETURN_IF_ERROR(ReadUserData(*json, data));
  return data;
}

}  // namespace kms::az_vtpm
