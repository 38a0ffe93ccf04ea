// ParseShare: no crash on any text; what is accepted prints to the one text
// that it was a copy of.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/seal/share.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto share = kms::seal::ParseShare(text);
  if (!share.ok()) {
    if (kms::RefusalOf(share.status()) != kms::v1::SHARE_REJECTED) abort();
    return 0;
  }
  const auto printed = kms::seal::PrintShare(*share);
  std::string plain;
  for (char c : text) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    plain.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  std::string canonical;
  for (const uint8_t c : printed->Expose(kms::GrantSecretAccess())) {
    if (c != '-') canonical.push_back(static_cast<char>(c));
  }
  if (canonical != plain) abort();
  return 0;
}
