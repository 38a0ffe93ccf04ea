// ParseNote: no crash, and what is accepted re-encodes to the same bytes.
#include <cstdlib>

#include "kms/crypto/note.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = kms::AsStringView({data, size});
  const auto note = kms::crypto::ParseNote(text);
  if (note.ok() && kms::crypto::FormatNote(*note) != text) std::abort();
  const auto verifier = kms::crypto::NoteVerifier::Parse(text);
  if (verifier.ok() && verifier->vkey() != text) std::abort();
  return 0;
}
