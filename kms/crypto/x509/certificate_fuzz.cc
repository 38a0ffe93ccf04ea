// Property: no crash, and what parses is exactly what was given.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "kms/crypto/x509/certificate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const kms::BytesView input(data, size);
  const auto certificate = kms::x509::Certificate::Parse(input);
  if (certificate.ok()) {
    if (kms::AsBytes(certificate->der()) != input) std::abort();
    certificate->SubjectText();
    certificate->IssuerCommonName();
  }
  const auto list = kms::x509::ParseCertificates(input);
  if (list.ok() && list->empty()) std::abort();
  return 0;
}
