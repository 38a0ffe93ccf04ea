#include "tools/kmsctl/wrapping_key_file.h"

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/proto_json.h"
#include "kms/base/status.h"
#include "kms/crypto/kem.h"
#include "kms/crypto/x509/pem.h"
#include "kms/lifecycle/wrapping_key.h"
#include "tools/client/file.h"
#include "tools/client/outcome.h"

namespace kms::kmsctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kFileBytesMax = 64 * 1024;

// A SubjectPublicKeyInfo of these algorithms, without parameters or with a
// named curve, has one form: all before the key's own bytes is fixed.
// RFC 8410, section 4 (id-X25519); RFC 5480, section 2.1.1.1 (secp256r1).
constexpr absl::string_view kX25519SpkiPrefix(
    "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00", 12);
constexpr absl::string_view kP256SpkiPrefix(
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48"
    "\xce\x3d\x03\x01\x07\x03\x42\x00",
    26);

// The bytes of a field that holds them in hex.
absl::StatusOr<std::string> HexField(const Json& object, const char* name) {
  const auto field = object.find(name);
  if (field != object.end() && field->is_string()) {
    const auto bytes = Unhex(field->get<std::string>());
    if (bytes.ok()) return *bytes;
  }
  return client::UsageError(absl::StrCat("wrapping key file: no field signed.",
                                         name,
                                         "; want what kmsctl key public "
                                         "-o json printed"));
}

}  // namespace

std::string WrappingKeyPem(const v1::WrappingKey& key) {
  const bool p256 = key.kem_id() == static_cast<uint32_t>(crypto::Kem::kP256);
  const absl::string_view prefix = p256 ? kP256SpkiPrefix : kX25519SpkiPrefix;
  return x509::ToPem(AsBytes(absl::StrCat(prefix, key.public_key())),
                     "PUBLIC KEY");
}

Json WrappingKeyJson(const v1::WrappingKey& key,
                     const v1::SignedWrappingKey& signed_key) {
  Json json = ProtoToJson(key);
  json["pem"] = WrappingKeyPem(key);
  json["signed"] = ProtoToJson(signed_key);
  return json;
}

absl::StatusOr<v1::WrappingKey> ReadWrappingKeyFile(
    const std::string& path, const PinnedCluster& pinned) {
  KMS_ASSIGN_OR_RETURN(const std::string text,
                       client::ReadFile(path, kFileBytesMax));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json none;
  const Json& object =
      json.is_object() && json.contains("signed") ? json["signed"] : none;
  v1::SignedWrappingKey signed_key;
  KMS_ASSIGN_OR_RETURN(*signed_key.mutable_body(), HexField(object, "body"));
  KMS_ASSIGN_OR_RETURN(*signed_key.mutable_signature(),
                       HexField(object, "signature"));
  absl::StatusOr<v1::WrappingKey> key = lifecycle::VerifyWrappingKey(
      signed_key, AsBytes(pinned.identity_public_key),
      AsBytes(pinned.cluster_id));
  if (!key.ok()) return client::AsIntegrityError(key.status());
  return key;
}

}  // namespace kms::kmsctl
