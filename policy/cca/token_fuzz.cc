// Property: no crash, and what a claims set says, it says again after it was
// encoded in our form.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "policy/cca/platform.h"
#include "policy/cca/realm.h"
#include "policy/cca/realm_key.h"
#include "policy/cca/token.h"

namespace {

using kms::AsBytes;
namespace cca = kms::cca;

void CheckPlatform(kms::BytesView claims) {
  const auto platform = cca::ParsePlatform(claims);
  if (!platform.ok()) return;
  const std::string encoding = cca::EncodePlatform(*platform);
  const auto again = cca::ParsePlatform(AsBytes(encoding));
  if (!again.ok() || !(*again == *platform)) std::abort();
}

void CheckRealm(kms::BytesView claims) {
  const auto realm = cca::ParseRealm(claims);
  if (!realm.ok()) return;
  const std::string encoding = cca::EncodeRealm(*realm);
  const auto again = cca::ParseRealm(AsBytes(encoding));
  if (!again.ok() || !(*again == *realm)) std::abort();
  for (const auto form :
       {cca::RealmKeyForm::kPoint, cca::RealmKeyForm::kCoseKey}) {
    cca::ReadRealmKey(AsBytes(realm->public_key), form,
                      kms::cbor::Algorithm::kEs384)
        .status()
        .IgnoreError();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto envelopes = cca::ParseToken(input);
  if (envelopes.ok()) {
    CheckPlatform(envelopes->platform.payload);
    CheckRealm(envelopes->realm.payload);
  }
  CheckPlatform(input);
  CheckRealm(input);
  return 0;
}
