#include "storage/envelope/keyring.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/random.h"
#include "kms/crypto/xaes.h"

namespace kms::storage {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kKindHeaderBytes = 1 + 2;  // number count

static_assert(1 + kKeyKinds.size() *
                          (kKindHeaderBytes + kKeyVersionsMax * kKeyBytes) <=
                  Secret::kSizeMax,
              "the largest keyring must fit into one Secret");

size_t Slot(KeyKind kind) { return static_cast<size_t>(kind) - 1; }

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("keyring: ", fault));
}

// What the root key's encryption is bound to, besides the caller's own.
std::string SealAad(BytesView aad) {
  return ByteWriter().Field("kms.v1 keyring").U8(kFormat).Bytes(aad).Take();
}

// Reads one kind of the grammar in keyring.h.
absl::Status DecodeKind(ByteReader& reader, KeyKind kind,
                        std::vector<Secret>* keys) {
  if (reader.U8() != static_cast<uint8_t>(kind)) {
    return Malformed(absl::StrCat("want kind ", KeyKindName(kind)));
  }
  const uint16_t count = reader.U16Le();
  if (count == 0 || count > kKeyVersionsMax) {
    return Malformed(absl::StrCat(count, " versions of ", KeyKindName(kind),
                                  ", want 1 to ", kKeyVersionsMax));
  }
  for (uint16_t i = 0; i < count; ++i) {
    const BytesView bytes = reader.Bytes(kKeyBytes);
    if (reader.failed()) return Malformed("cut short");
    KMS_ASSIGN_OR_RETURN(Secret key,
                         Secret::CopyOf(bytes, GrantSecretAccess()));
    keys->push_back(std::move(key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view KeyKindName(KeyKind kind) {
  switch (kind) {
    case KeyKind::kStorage:
      return "storage";
    case KeyKind::kLog:
      return "log";
    case KeyKind::kChallenge:
      return "challenge";
    case KeyKind::kNameIndex:
      return "name index";
    case KeyKind::kRowSum:
      return "row sum";
    case KeyKind::kClusterIdentity:
      return "cluster identity";
    case KeyKind::kCheckpoint:
      return "checkpoint";
  }
  return "unknown";
}

absl::StatusOr<Keyring> Keyring::Generate() {
  Keyring keyring;
  for (const KeyKind kind : kKeyKinds) {
    KMS_RETURN_IF_ERROR(keyring.Rotate(kind).status());
  }
  return keyring;
}

absl::StatusOr<const Secret*> Keyring::Get(KeyKind kind,
                                           uint32_t version) const {
  const std::vector<Secret>& keys = keys_.at(Slot(kind));
  if (version == 0 || version > keys.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("keyring: no version ", version, " of ", KeyKindName(kind),
                     ", have 1 to ", keys.size()));
  }
  return &keys[version - 1];
}

uint32_t Keyring::primary(KeyKind kind) const {
  return static_cast<uint32_t>(keys_.at(Slot(kind)).size());
}

absl::StatusOr<uint32_t> Keyring::Rotate(KeyKind kind) {
  const uint32_t version = primary(kind) + 1;
  KMS_ASSIGN_OR_RETURN(Secret key, crypto::RandomSecret(kKeyBytes));
  KMS_RETURN_IF_ERROR(Add(kind, version, std::move(key)));
  return version;
}

absl::Status Keyring::Add(KeyKind kind, uint32_t version, Secret key) {
  std::vector<Secret>& keys = keys_.at(Slot(kind));
  if (version != keys.size() + 1) {
    return absl::InvalidArgumentError(absl::StrCat("keyring: version ", version,
                                                   " of ", KeyKindName(kind),
                                                   ", want ", keys.size() + 1));
  }
  if (key.size() != kKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "keyring: key of ", key.size(), " bytes, want ", kKeyBytes));
  }
  if (version > kKeyVersionsMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("keyring: ", kKeyVersionsMax, " versions of ",
                     KeyKindName(kind), " are the most"));
  }
  keys.push_back(std::move(key));
  return absl::OkStatus();
}

absl::StatusOr<Keyring> Keyring::Clone() const {
  Keyring copy;
  for (size_t slot = 0; slot < keys_.size(); ++slot) {
    for (const Secret& key : keys_[slot]) {
      KMS_ASSIGN_OR_RETURN(Secret key_copy, key.Clone());
      copy.keys_[slot].push_back(std::move(key_copy));
    }
  }
  return copy;
}

bool Keyring::Contains(const Keyring& other) const {
  for (size_t slot = 0; slot < keys_.size(); ++slot) {
    const std::vector<Secret>& theirs = other.keys_[slot];
    if (keys_[slot].size() < theirs.size()) return false;
    for (size_t i = 0; i < theirs.size(); ++i) {
      if (!(keys_[slot][i] == theirs[i])) return false;
    }
  }
  return true;
}

absl::StatusOr<Secret> EncodeKeyring(const Keyring& keyring) {
  size_t size = 1;
  for (const KeyKind kind : kKeyKinds) {
    size += kKindHeaderBytes + keyring.primary(kind) * kKeyBytes;
  }
  KMS_ASSIGN_OR_RETURN(Secret encoded, Secret::Allocate(size));
  // Written in place: a ByteWriter would leave keys in ordinary memory.
  absl::Span<uint8_t> rest = encoded.ExposeMutable(GrantSecretAccess());
  const auto put = [&rest](BytesView bytes) {
    std::copy(bytes.begin(), bytes.end(), rest.begin());
    rest.remove_prefix(bytes.size());
  };
  put({kFormat});
  for (const KeyKind kind : kKeyKinds) {
    const uint32_t count = keyring.primary(kind);
    put({static_cast<uint8_t>(kind), static_cast<uint8_t>(count & 0xff),
         static_cast<uint8_t>(count >> 8)});
    for (uint32_t version = 1; version <= count; ++version) {
      KMS_ASSIGN_OR_RETURN(const Secret* key, keyring.Get(kind, version));
      put(key->Expose(GrantSecretAccess()));
    }
  }
  return encoded;
}

absl::StatusOr<Keyring> DecodeKeyring(const Secret& encoded) {
  ByteReader reader(encoded.Expose(GrantSecretAccess()));
  if (reader.U8() != kFormat) {
    return Malformed(absl::StrCat("unknown format, want ", kFormat));
  }
  Keyring keyring;
  for (const KeyKind kind : kKeyKinds) {
    KMS_RETURN_IF_ERROR(DecodeKind(reader, kind, &keyring.keys_[Slot(kind)]));
  }
  if (!reader.Finish("keyring").ok()) return Malformed("bytes left over");
  return keyring;
}

absl::StatusOr<std::string> SealKeyring(const Secret& root,
                                        const Keyring& keyring, BytesView aad) {
  KMS_ASSIGN_OR_RETURN(const crypto::Xaes256Gcm cipher,
                       crypto::Xaes256Gcm::Create(root));
  KMS_ASSIGN_OR_RETURN(const Secret encoded, EncodeKeyring(keyring));
  const std::string sealed = cipher.SealSecret(encoded, AsBytes(SealAad(aad)));
  return ByteWriter().U8(kFormat).Bytes(sealed).Take();
}

absl::StatusOr<Keyring> OpenKeyring(const Secret& root, BytesView sealed,
                                    BytesView aad) {
  if (sealed.empty() || sealed[0] != kFormat) {
    return Malformed(absl::StrCat("unknown format, want ", kFormat));
  }
  KMS_ASSIGN_OR_RETURN(const crypto::Xaes256Gcm cipher,
                       crypto::Xaes256Gcm::Create(root));
  const absl::StatusOr<Secret> encoded =
      cipher.OpenSecret(sealed.subspan(1), AsBytes(SealAad(aad)));
  if (absl::IsUnauthenticated(encoded.status())) {
    return Malformed("does not open under this root key");
  }
  KMS_RETURN_IF_ERROR(encoded.status());
  return DecodeKeyring(*encoded);
}

}  // namespace kms::storage
