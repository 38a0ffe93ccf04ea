#include "policy/az_vtpm/runtime_data.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/az_vtpm/limits.h"
#include "policy/formats/strict_json.h"

namespace kms::az_vtpm {
namespace {

using Json = nlohmann::json;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("hcl runtime data: ", fault));
}

// The member's text; empty if it is absent or of another kind.
std::string Text(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : std::string();
}

// RFC 7515, appendix C: without padding, and one encoding per value.
absl::StatusOr<std::string> Number(const Json& key, const char* name) {
  const std::string text = Text(key, name);
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(text, &bytes) ||
      absl::WebSafeBase64Escape(bytes) != text) {
    return Malformed("a number of HCLAkPub is not base64url");
  }
  return bytes;
}

// RFC 7517 4.2, 4.3: both say what the key may be used for.
bool ForSigningOnly(const Json& key) {
  const auto use = key.find("use");
  if (use != key.end() && *use != "sig") return false;
  const auto operations = key.find("key_ops");
  return operations != key.end() && *operations == Json::array({"sign"});
}

absl::StatusOr<crypto::PublicKey> ReadAk(const Json& json) {
  const auto keys = json.find("keys");
  if (keys == json.end() || !keys->is_array()) return Malformed("no keys");
  const Json* ak = nullptr;
  for (const Json& key : *keys) {
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

absl::Status ReadFlag(const Json& configuration, const char* name, bool* flag) {
  const auto found = configuration.find(name);
  if (found == configuration.end()) return absl::OkStatus();
  if (!found->is_boolean()) return Malformed("a flag that is no boolean");
  *flag = found->get<bool>();
  return absl::OkStatus();
}

absl::Status ReadConfiguration(const Json& json, RuntimeData& data) {
  const auto found = json.find("vm-configuration");
  if (found == json.end()) return absl::OkStatus();
  if (!found->is_object()) return Malformed("vm-configuration is no object");
  data.has_vm_configuration = true;
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "secure-boot", &data.secure_boot));
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "tpm-enabled", &data.tpm_enabled));
  KMS_RETURN_IF_ERROR(ReadFlag(*found, "tpm-persisted", &data.tpm_persisted));
  KMS_RETURN_IF_ERROR(
      ReadFlag(*found, "console-enabled", &data.console_enabled));
  const auto id = found->find("vmUniqueId");
  if (id == found->end()) return absl::OkStatus();
  if (!id->is_string() ||
      id->get_ref<const std::string&>().size() > kVmIdBytesMax) {
    return Malformed("vmUniqueId is no short text");
  }
  data.vm_unique_id = id->get<std::string>();
  return absl::OkStatus();
}

absl::Status ReadUserData(const Json& json, RuntimeData& data) {
  const auto found = json.find("user-data");
  if (found == json.end()) return absl::OkStatus();
  if (!found->is_string()) return Malformed("user-data is no text");
  absl::StatusOr<std::string> bytes =
      Unhex(found->get_ref<const std::string&>());
  if (!bytes.ok() || bytes->size() != kUserDataBytes) {
    return Malformed(
        absl::StrCat("user-data is not hex of ", kUserDataBytes, " bytes"));
  }
  data.user_data = *std::move(bytes);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RuntimeData> ParseRuntimeData(absl::string_view text) {
  const absl::StatusOr<Json> json = formats::ParseStrictJson(
      text, "hcl runtime data", kHclReportBytesMax, kRuntimeDataDepthMax);
  if (!json.ok()) {
    return Refuse(v1::EVIDENCE_MALFORMED, json.status().message());
  }
  KMS_ASSIGN_OR_RETURN(crypto::PublicKey ak, ReadAk(*json));
  RuntimeData data = {.ak = std::move(ak)};
  KMS_RETURN_IF_ERROR(ReadConfiguration(*json, data));
  KMS_RETURN_IF_ERROR(ReadUserData(*json, data));
  return data;
}

}  // namespace kms::az_vtpm
