#include "policy/cca/realm_key.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/curve.h"
#include "policy/cbor/item.h"

namespace kms::cca {
namespace {

// RFC 9052, table 4; RFC 9053, tables 18 and 19.
constexpr int64_t kKty = 1;
constexpr int64_t kKid = 2;
constexpr int64_t kAlg = 3;
constexpr int64_t kKeyOps = 4;
constexpr int64_t kCrv = -1;
constexpr int64_t kX = -2;
constexpr int64_t kY = -3;
constexpr int64_t kKtyEc2 = 2;
constexpr int64_t kKeyOpVerify = 2;
constexpr int64_t kCrvP256 = 1;
constexpr int64_t kCrvP384 = 2;

constexpr char kSubject[] = "cca realm key";

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat(kSubject, ": ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat(kSubject, ": ", fault));
}
absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT, absl::StrCat(kSubject, ": ", fault));
}

// What the key says that it is for, where it says so.
absl::Status CheckUse(const cbor::Item& key, cbor::Algorithm algorithm) {
  for (size_t i = 0; i < key.items().size(); i += 2) {
    const auto label = key.items()[i].Integer();
    constexpr int64_t kKnown[] = {kKty, kKid, kAlg, kKeyOps, kCrv, kX, kY};
    if (!label.has_value() || std::find(std::begin(kKnown), std::end(kKnown),
                                        *label) == std::end(kKnown)) {
      return Unsupported("a parameter");
    }
  }
  const cbor::Item* alg = key.Find(kAlg);
  if (alg != nullptr && alg->Integer() != cbor::CoseNumber(algorithm)) {
    return Inconsistent("for another algorithm than the token's");
  }
  const cbor::Item* ops = key.Find(kKeyOps);
  if (ops == nullptr) return absl::OkStatus();
  const auto verifies = [](const cbor::Item& op) {
    return op.Integer() == kKeyOpVerify;
  };
  if (std::any_of(ops->items().begin(), ops->items().end(), verifies)) {
    return absl::OkStatus();
  }
  return Inconsistent("not for signatures");
}

absl::StatusOr<std::string> ReadCoseKey(BytesView bytes,
                                        cbor::Algorithm algorithm) {
  KMS_ASSIGN_OR_RETURN(const cbor::Item key,
                       cbor::Parse(bytes, {.long_heads = true}, kSubject));
  const cbor::Item* kty = key.Find(kKty);
  const cbor::Item* crv = key.Find(kCrv);
  const cbor::Item* x = key.Find(kX);
  const cbor::Item* y = key.Find(kY);
  if (kty == nullptr || crv == nullptr || x == nullptr || y == nullptr) {
    return Malformed("no type, curve or point");
  }
  if (kty->Integer() != kKtyEc2) return Unsupported("type, want EC2");
  if (crv->Integer() != kCrvP256 && crv->Integer() != kCrvP384) {
    return Unsupported("curve, want P-256 or P-384");
  }
  KMS_RETURN_IF_ERROR(CheckUse(key, algorithm));
  const crypto::Curve curve = cbor::CurveOf(algorithm);
  if ((crv->Integer() == kCrvP256) != (curve == crypto::Curve::kP256)) {
    return Inconsistent("on another curve than the token's algorithm");
  }
  if (y->Bool().has_value()) return Unsupported("a compressed point");
  const size_t size = crypto::CurveFieldSize(curve);
  if (!x->Bytes().has_value() || x->Bytes()->size() != size ||
      !y->Bytes().has_value() || y->Bytes()->size() != size) {
    return Malformed("coordinates of another size than the curve's");
  }
  return absl::StrCat("\x04", AsStringView(*x->Bytes()),
                      AsStringView(*y->Bytes()));
}

}  // namespace

absl::StatusOr<crypto::PublicKey> ReadRealmKey(BytesView bytes,
                                               RealmKeyForm form,
                                               cbor::Algorithm algorithm) {
  const crypto::Curve curve = cbor::CurveOf(algorithm);
  std::string point = ToString(bytes);
  if (form == RealmKeyForm::kCoseKey) {
    KMS_ASSIGN_OR_RETURN(point, ReadCoseKey(bytes, algorithm));
  } else if (curve == crypto::Curve::kP256
                 ? bytes.size() == crypto::CurvePointSize(crypto::Curve::kP384)
                 : bytes.size() ==
                       crypto::CurvePointSize(crypto::Curve::kP256)) {
    return Inconsistent("on another curve than the token's algorithm");
  }
  absl::StatusOr<crypto::PublicKey> key =
      crypto::PublicKey::FromPoint(curve, AsBytes(point));
  if (!key.ok()) return Malformed("no uncompressed point on the curve");
  return key;
}

}  // namespace kms::cca
