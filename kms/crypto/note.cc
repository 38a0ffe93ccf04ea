#include "kms/crypto/note.h"

#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/status.h"
#include "kms/crypto/base64_strict.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/utf8.h"

namespace kms::crypto {
namespace {

constexpr uint8_t kTypeEd25519 = 0x01;
constexpr size_t kKeyIdSize = 4;
constexpr absl::string_view kDash = "\u2014 ";  // Em dash and space.

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("note: ", fault));
}

bool NameIsGood(absl::string_view name) {
  if (name.empty() || name.size() > kNoteNameBytesMax) return false;
  while (!name.empty()) {
    const std::optional<uint32_t> c = TakeCodePoint(name);
    if (!c || *c < 0x20 || *c == '+' || IsUnicodeSpace(*c)) return false;
  }
  return true;
}

// UTF-8 and no control characters but newlines.
bool TextIsGood(absl::string_view text) {
  while (!text.empty()) {
    const std::optional<uint32_t> c = TakeCodePoint(text);
    if (!c || (*c < 0x20 && *c != '\n')) return false;
  }
  return true;
}

uint32_t KeyId(absl::string_view name, BytesView public_key) {
  const std::string hashed = ByteWriter()
                                 .Bytes(name)
                                 .U8('\n')
                                 .U8(kTypeEd25519)
                                 .Bytes(public_key)
                                 .Take();
  return ByteReader(AsBytes(Sha256(AsBytes(hashed)))).U32Be();
}

// `line` has no newline.
std::optional<NoteSignature> ParseSignature(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, kDash)) return std::nullopt;
  const size_t space = line.find(' ');
  if (space == absl::string_view::npos) return std::nullopt;
  const absl::string_view name = line.substr(0, space);
  const auto bytes = Base64DecodeStrict(line.substr(space + 1));
  if (!NameIsGood(name) || !bytes || bytes->size() <= kKeyIdSize) {
    return std::nullopt;
  }
  return NoteSignature{std::string(name), ByteReader(AsBytes(*bytes)).U32Be(),
                       bytes->substr(kKeyIdSize)};
}

absl::StatusOr<NoteSignature> Sign(absl::string_view text,
                                   absl::string_view name,
                                   const Ed25519SigningKey& key) {
  const BytesView public_key = AsBytes(key.public_key());
  if (!NameIsGood(name)) return Bad("key name is not allowed");
  return NoteSignature{std::string(name), KeyId(name, public_key),
                       key.Sign(text)};
}

// What we are about to emit, checked as a reader will.
absl::StatusOr<std::string> Checked(const UnverifiedNote& note) {
  std::string formatted = FormatNote(note);
  KMS_RETURN_IF_ERROR(ParseNote(formatted).status());
  return formatted;
}

}  // namespace

NoteVerifier::NoteVerifier(absl::string_view name, PublicKey key)
    : name_(name),
      key_id_(KeyId(name, key.key_bytes())),
      key_(std::move(key)) {}

absl::StatusOr<NoteVerifier> NoteVerifier::Create(absl::string_view name,
                                                  BytesView public_key) {
  if (!NameIsGood(name)) return Bad("key name is not allowed");
  KMS_ASSIGN_OR_RETURN(PublicKey key, PublicKey::Ed25519(public_key));
  return NoteVerifier(name, std::move(key));
}

absl::StatusOr<NoteVerifier> NoteVerifier::Named(absl::string_view name) const {
  return Create(name, key_.key_bytes());
}

absl::StatusOr<NoteVerifier> NoteVerifier::Parse(absl::string_view vkey) {
  // Base64 may have a "+", a name and an id may not: split at the first two.
  const size_t first = vkey.find('+');
  if (first == absl::string_view::npos) return Bad("not a verifier key");
  const size_t second = vkey.find('+', first + 1);
  if (second == absl::string_view::npos) return Bad("not a verifier key");
  const auto key = Base64DecodeStrict(vkey.substr(second + 1));
  if (!key || key->empty() || (*key)[0] != kTypeEd25519) {
    return Bad("verifier key is not Ed25519");
  }
  KMS_ASSIGN_OR_RETURN(NoteVerifier verifier,
                       Create(vkey.substr(0, first), AsBytes(*key).subspan(1)));
  if (verifier.vkey() != vkey) return Bad("verifier key with a wrong id");
  return verifier;
}

std::string NoteVerifier::vkey() const {
  const std::string key =
      ByteWriter().U8(kTypeEd25519).Bytes(key_.key_bytes()).Take();
  return absl::StrCat(name_, "+", absl::Hex(key_id_, absl::kZeroPad8), "+",
                      absl::Base64Escape(key));
}

absl::Status NoteVerifier::Verify(absl::string_view text,
                                  BytesView signature) const {
  return key_.VerifyEd25519(AsBytes(text), signature);
}

absl::StatusOr<UnverifiedNote> ParseNote(absl::string_view note) {
  if (note.size() > kNoteBytesMax) {
    return Bad(absl::StrCat(note.size(), " bytes, at most ", kNoteBytesMax));
  }
  if (!TextIsGood(note)) return Bad("not UTF-8, or a control character");
  // "The text is separated from the signatures by the last empty line." A
  // text that is one newline would start with that line; it has to end in one.
  const size_t end = note.rfind("\n\n");
  if (end == absl::string_view::npos || note.back() != '\n') {
    return Bad("text and signatures are not lines with an empty one between");
  }
  UnverifiedNote parsed;
  parsed.text = std::string(note.substr(0, end + 1));
  absl::string_view lines = note.substr(end + 2);
  while (!lines.empty()) {
    const size_t newline = lines.find('\n');
    auto signature = ParseSignature(lines.substr(0, newline));
    if (!signature) return Bad("malformed signature line");
    if (parsed.signatures.size() == kNoteSignaturesMax) {
      return Bad(absl::StrCat("more than ", kNoteSignaturesMax, " signatures"));
    }
    parsed.signatures.push_back(*std::move(signature));
    lines.remove_prefix(newline + 1);
  }
  if (parsed.signatures.empty()) return Bad("no signature");
  return parsed;
}

std::string FormatNote(const UnverifiedNote& note) {
  std::string out = absl::StrCat(note.text, "\n");
  for (const NoteSignature& signature : note.signatures) {
    const std::string bytes =
        ByteWriter().U32Be(signature.key_id).Bytes(signature.signature).Take();
    absl::StrAppend(&out, kDash, signature.name, " ", absl::Base64Escape(bytes),
                    "\n");
  }
  return out;
}

absl::StatusOr<VerifiedNote> OpenNote(absl::string_view note,
                                      absl::Span<const NoteVerifier> known) {
  KMS_ASSIGN_OR_RETURN(UnverifiedNote parsed, ParseNote(note));
  VerifiedNote verified;
  for (const NoteVerifier& verifier : known) {
    bool signed_by = false;
    for (const NoteSignature& signature : parsed.signatures) {
      if (signature.name != verifier.name() ||
          signature.key_id != verifier.key_id()) {
        continue;
      }
      // "If a signature from a known key fails to verify, clients SHOULD
      // reject the whole note."
      KMS_RETURN_IF_ERROR(
          verifier.Verify(parsed.text, AsBytes(signature.signature)));
      signed_by = true;
    }
    if (signed_by) verified.signers.push_back(verifier.name());
  }
  if (verified.signers.empty()) {
    return absl::UnauthenticatedError("note: no signature of a known key");
  }
  verified.text = std::move(parsed.text);
  return verified;
}

absl::StatusOr<std::string> SignNote(absl::string_view text,
                                     absl::string_view name,
                                     const Ed25519SigningKey& key) {
  if (text.empty() || text.back() != '\n') {
    return Bad("text does not end in a newline");
  }
  UnverifiedNote note;
  note.text = std::string(text);
  KMS_ASSIGN_OR_RETURN(NoteSignature signature, Sign(text, name, key));
  note.signatures.push_back(std::move(signature));
  return Checked(note);
}

absl::StatusOr<std::string> CosignNote(absl::string_view note,
                                       absl::string_view name,
                                       const Ed25519SigningKey& key) {
  KMS_ASSIGN_OR_RETURN(UnverifiedNote parsed, ParseNote(note));
  KMS_ASSIGN_OR_RETURN(NoteSignature signature, Sign(parsed.text, name, key));
  parsed.signatures.push_back(std::move(signature));
  return Checked(parsed);
}

}  // namespace kms::crypto
