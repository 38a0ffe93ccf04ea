#include "kms/crypto/ec_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include <map>

#include "absl/strings/string_view.h"
#include "kms/base/secret_access.h"

namespace kms::crypto {
namespace {

using PointPtr = std::unique_ptr<EC_POINT, OpensslDeleter<EC_POINT_free>>;

// Made once: building a group costs more than using it.
const EC_GROUP* Group(Curve curve) {
  static const EC_GROUP* const kP256Group =
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  static const EC_GROUP* const kP384Group =
      EC_GROUP_new_by_curve_name(NID_secp384r1);
  const EC_GROUP* const group = curve == Curve::kP256 ? kP256Group : kP384Group;
  DieUnless(group != nullptr, "openssl: a curve is not available");
  return group;
}

// The scalar, marked so that OpenSSL keeps to constant-time code with it and
// wipes what it copies it to; null if it is out of range.
BignumPtr ReadScalar(Curve curve, const Secret& scalar) {
  const BytesView bytes = scalar.Expose(GrantSecretAccess());
  if (bytes.size() != CurveFieldSize(curve)) return nullptr;
  BignumPtr number(BN_secure_new());
  DieUnless(number != nullptr &&
                BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()),
                          number.get()) != nullptr,
            "ec key: out of memory");
  BN_set_flags(number.get(), BN_FLG_CONSTTIME);
  const BIGNUM* const order = EC_GROUP_get0_order(Group(curve));
  if (BN_is_zero(number.get()) || BN_cmp(number.get(), order) >= 0) {
    return nullptr;
  }
  return number;
}

std::string PublicPoint(Curve curve, const BIGNUM* scalar) {
  const EC_GROUP* const group = Group(curve);
  const PointPtr point(EC_POINT_new(group));
  std::string out(CurvePointSize(curve), '\0');
  DieUnless(
      point != nullptr &&
          EC_POINT_mul(group, point.get(), scalar, nullptr, nullptr, nullptr) ==
              1 &&
          EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED,
                             reinterpret_cast<uint8_t*>(out.data()), out.size(),
                             nullptr) == out.size(),
      "ec key: cannot compute the public point");
  return out;
}

void PushPoint(OSSL_PARAM_BLD* builder, Curve curve, BytesView point) {
  DieUnless(
      builder != nullptr &&
          OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                          CurveName(curve), 0) == 1 &&
          OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY,
                                           point.data(), point.size()) == 1,
      "ec key: cannot build");
}

PkeyPtr KeyOf(Curve curve, const BIGNUM* scalar, BytesView point) {
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  PushPoint(builder.get(), curve, point);
  DieUnless(OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY,
                                   scalar) == 1,
            "ec key: cannot build");
  PkeyPtr key = PkeyFromParams("EC", EVP_PKEY_KEYPAIR, builder.get());
  DieUnless(key != nullptr, "ec key: a valid scalar was refused");
  return key;
}

}  // namespace

PkeyPtr PkeyFromParams(const char* type, int selection,
                       OSSL_PARAM_BLD* builder) {
  const ParamsPtr params(OSSL_PARAM_BLD_to_param(builder));
  DieUnless(params != nullptr, "openssl: cannot build parameters");
  return PkeyFromParams(type, selection, params.get());
}

PkeyPtr PkeyFromParams(const char* type, int selection, OSSL_PARAM* params) {
  // Kept, by type: a new one searches the names of all algorithms. It holds
  // nothing of the keys that it makes.
  thread_local std::map<absl::string_view, PkeyCtxPtr> contexts;
  PkeyCtxPtr& context = contexts[type];
  if (context == nullptr) {
    context.reset(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    DieUnless(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1,
              "openssl: cannot build a key");
  }
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, selection, params) != 1) {
    return nullptr;
  }
  return PkeyPtr(key);
}

PkeyPtr EcPublicPkey(Curve curve, BytesView point) {
  if (point.size() != CurvePointSize(curve) || point[0] != 0x04) {
    return nullptr;
  }
  const ParamBuilderPtr builder(OSSL_PARAM_BLD_new());
  PushPoint(builder.get(), curve, point);
  return PkeyFromParams("EC", EVP_PKEY_PUBLIC_KEY, builder.get());
}

EcKeyPair EcPrivatePkey(Curve curve, const Secret& scalar) {
  const BignumPtr number = ReadScalar(curve, scalar);
  if (number == nullptr) return {};
  EcKeyPair pair;
  pair.point = PublicPoint(curve, number.get());
  pair.key = KeyOf(curve, number.get(), AsBytes(pair.point));
  return pair;
}

PkeyPtr EcPrivatePkey(Curve curve, const Secret& scalar, BytesView point) {
  const BignumPtr number = ReadScalar(curve, scalar);
  if (number == nullptr) return nullptr;
  return KeyOf(curve, number.get(), point);
}

}  // namespace kms::crypto
