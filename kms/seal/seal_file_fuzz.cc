// DecodeSealFile and DecodeInstanceFile: no crash on any bytes, with the check
// made right or not; what is accepted encodes to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kms/crypto/digest.h"
#include "kms/seal/instance_file.h"
#include "kms/seal/seal_file.h"

namespace {

void Try(const std::string& bytes) {
  const auto seal = kms::seal::DecodeSealFile(kms::AsBytes(bytes));
  if (seal.ok() && kms::seal::EncodeSealFile(*seal) != bytes) abort();
  const auto instance = kms::seal::DecodeInstanceFile(kms::AsBytes(bytes));
  if (instance.ok() && kms::seal::EncodeInstanceFile(*instance) != bytes) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Try(bytes);
  Try(bytes + kms::crypto::Sha256(kms::AsBytes(bytes)));
  return 0;
}
