// Signed notes: short texts with one or more signatures, which the log's
// checkpoints are.
// Source: C2SP signed-note (c2sp.org/signed-note), Ed25519 signatures only.
//
//   note      := text "\n" signature+         // text ends in a newline
//   signature := "— " name " " base64(key id: uint32 be, signature) "\n"
//   vkey      := name "+" hex(key id) "+" base64(0x01, public key)
//   key id    := SHA-256(name || 0x0a || 0x01 || public key)[:4]
//
// Thread-safe: immutable values and free functions.
// A text says nothing until OpenNote has verified it.
#ifndef KMS_CRYPTO_NOTE_H_
#define KMS_CRYPTO_NOTE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kms/base/bytes.h"
#include "kms/crypto/public_key.h"
#include "kms/crypto/signing_key.h"

namespace kms::crypto {

// A checkpoint is 200 bytes; this leaves room for witnesses, whose
// post-quantum signatures take up to 5 kB each.
inline constexpr size_t kNoteBytesMax = 256 * 1024;
// The specification demands at least 16.
inline constexpr size_t kNoteSignaturesMax = 32;
inline constexpr size_t kNoteNameBytesMax = 255;

// A name and the Ed25519 key that signs under it.
class NoteVerifier {
 public:
  // `public_key`: 32 bytes. kInvalidArgument: another length, or a name that
  // is empty, over kNoteNameBytesMax, not UTF-8, or has a space, a control
  // character or "+".
  static absl::StatusOr<NoteVerifier> Create(absl::string_view name,
                                             BytesView public_key);

  // kInvalidArgument: not a vkey, another signature type, or a key id that is
  // not its key's.
  static absl::StatusOr<NoteVerifier> Parse(absl::string_view vkey);

  // The same key under another name. kInvalidArgument: as Create.
  absl::StatusOr<NoteVerifier> Named(absl::string_view name) const;

  std::string vkey() const;
  const std::string& name() const { return name_; }
  uint32_t key_id() const { return key_id_; }

  // kUnauthenticated: not this key's signature over `text`.
  absl::Status Verify(absl::string_view text, BytesView signature) const;

 private:
  NoteVerifier(absl::string_view name, PublicKey key);

  std::string name_;
  uint32_t key_id_;
  PublicKey key_;
};

struct NoteSignature {
  std::string name;
  uint32_t key_id;
  std::string signature;  // Not empty.
};

// What a note says, with nobody vouching for it.
struct UnverifiedNote {
  std::string text;  // Ends in a newline.
  std::vector<NoteSignature> signatures;
};

// kInvalidArgument: malformed, not UTF-8, a control character, no signature
// or more than kNoteSignaturesMax, or over kNoteBytesMax.
absl::StatusOr<UnverifiedNote> ParseNote(absl::string_view note);

// The inverse of ParseNote, for what ParseNote or SignNote made.
std::string FormatNote(const UnverifiedNote& note);

struct VerifiedNote {
  std::string text;
  // Names of the known keys that signed, in the order of `known`.
  std::vector<std::string> signers;
};

// Parses `note` and verifies each signature of a known key (by name and id);
// those of others are ignored.
// kInvalidArgument: ParseNote. kUnauthenticated: none is of a known key, or
// one of a known key does not verify.
absl::StatusOr<VerifiedNote> OpenNote(absl::string_view note,
                                      absl::Span<const NoteVerifier> known);

// A note of `text` with one signature, under `name`.
// kInvalidArgument: as ParseNote or NoteVerifier::Create would refuse it.
absl::StatusOr<std::string> SignNote(absl::string_view text,
                                     absl::string_view name,
                                     const Ed25519SigningKey& key);

// `note` with one more signature over its text. kInvalidArgument as above.
absl::StatusOr<std::string> CosignNote(absl::string_view note,
                                       absl::string_view name,
                                       const Ed25519SigningKey& key);

}  // namespace kms::crypto

#endif  // KMS_CRYPTO_NOTE_H_
