#include "policy/verifier/anchor_file.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kms/base/status.h"
#include "kms/crypto/curve.h"
#include "kms/crypto/x509/pem.h"

namespace kms::policy {
namespace {

// A certificate of a vendor's root is under 2 KiB.
constexpr size_t kFileBytesMax = 16 * 1024;

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("anchor file: ", fault));
}

absl::StatusOr<crypto::PublicKey> ParseJwk(BytesView file) {
  using Json = nlohmann::json;
  // Bounded by kFileBytesMax, but a deep tree still costs stack: a key has one
  // level.
  const auto flat = [](int depth, Json::parse_event_t, Json&) {
    return depth <= 1;
  };
  const Json json = Json::parse(file.begin(), file.end(), flat,
                                /*allow_exceptions=*/false);
  const auto text = [&json](const char* name) -> std::string {
    if (!json.is_object() || !json.contains(name) || !json[name].is_string()) {
      return "";
    }
    return json[name].get<std::string>();
  };
  crypto::Curve curve = crypto::Curve::kP256;
  if (text("crv") == "P-384") {
    curve = crypto::Curve::kP384;
  } else if (text("crv") != "P-256") {
    return Bad("a JSON Web Key, but not on P-256 or P-384");
  }
  // RFC 7518 6.2.1.2: "the length of this octet string MUST be the full size
  // of a coordinate".
  const size_t size = crypto::CurveFieldSize(curve);
  std::string x, y;
  if (text("kty") != "EC" || !absl::WebSafeBase64Unescape(text("x"), &x) ||
      !absl::WebSafeBase64Unescape(text("y"), &y) || x.size() != size ||
      y.size() != size) {
    return Bad("a JSON Web Key, but not a whole one of kty EC");
  }
  return crypto::PublicKey::FromPoint(
      curve, AsBytes(absl::StrCat(std::string(1, 4), x, y)));
}

}  // namespace

absl::StatusOr<AnchorFile> ParseAnchorFile(BytesView file) {
  if (file.empty() || file.size() > kFileBytesMax) {
    return Bad(absl::StrCat(file.size(), " bytes, want 1 to ", kFileBytesMax));
  }
  if (absl::StatusOr<std::vector<x509::Certificate>> certificates =
          x509::ParseCertificates(file);
      certificates.ok()) {
    if (certificates->size() != 1) {
      return Bad(absl::StrCat(certificates->size(), " certificates, want 1"));
    }
    x509::Certificate& certificate = certificates->front();
    return AnchorFile{certificate.public_key(), std::move(certificate)};
  }
  std::string spki = ToString(file);
  if (file[0] == '{') {
    KMS_ASSIGN_OR_RETURN(crypto::PublicKey key, ParseJwk(file));
    return AnchorFile{std::move(key), std::nullopt};
  }
  if (x509::LooksLikePem(file)) {
    auto blocks = x509::ParsePem(file, "PUBLIC KEY", 1);
    if (!blocks.ok() || blocks->size() != 1) {
      return Bad("PEM, but not of one certificate or public key");
    }
    spki = std::move(blocks->front());
  }
  absl::StatusOr<crypto::PublicKey> key =
      crypto::PublicKey::FromSpki(AsBytes(spki));
  if (!key.ok()) return Bad("neither a certificate nor a public key");
  return AnchorFile{*std::move(key), std::nullopt};
}

}  // namespace kms::policy
