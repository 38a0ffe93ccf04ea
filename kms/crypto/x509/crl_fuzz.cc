// Property: no crash, and DER that parses is exactly what was given.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/crypto/x509/crl.h"
#include "kms/crypto/x509/pem.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto crl = kms::x509::Crl::Parse(input);
  if (crl.ok()) {
    if (!kms::x509::LooksLikePem(input) && kms::AsBytes(crl->der()) != input) {
      std::abort();
    }
    crl->Revokes("\1");
  }
  return 0;
}
