#include "kms/seal/seal_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/seal/limits.h"
#include "kms/seal/share.h"

namespace kms::seal {
namespace {

constexpr absl::string_view kMagic("kmsseal\x01", 8);
constexpr size_t kCheckBytes = 32;

absl::Status Damaged(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("seal file: ", fault));
}

bool HasWrappedRoot(SealKind kind) {
  return kind == SealKind::kPkcs11 || kind == SealKind::kTpm;
}

std::string Header(const SealFile& file) {
  const ShareCommitments& c = file.commitments;
  ByteWriter writer;
  writer.Bytes(kMagic)
      .U8(static_cast<uint8_t>(file.kind))
      .U8(static_cast<uint8_t>(c.digests.size()))
      .U8(c.threshold)
      .Bytes(c.cluster_id)
      .Bytes(c.ceremony_id)
      .Bytes(c.salt);
  for (const std::string& digest : c.digests) writer.Bytes(digest);
  writer.Bytes(file.identity_public_key)
      .U16Be(static_cast<uint16_t>(file.verifier_key.size()))
      .Bytes(file.verifier_key);
  if (HasWrappedRoot(file.kind)) {
    writer.U16Be(static_cast<uint16_t>(file.wrapped.size()))
        .Bytes(file.wrapped);
  }
  return writer.Take();
}

bool Printable(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c <= '~'; });
}

// Whether number of shares and threshold are possible for the kind.
bool CountsFit(SealKind kind, size_t shares, size_t threshold) {
  switch (kind) {
    case SealKind::kShamir:
      return shares >= 1 && shares <= kSharesMax && threshold >= 1 &&
             threshold <= shares && (shares == 1 || threshold >= 2);
    case SealKind::kDevelopment:
    case SealKind::kPkcs11:
    case SealKind::kTpm:
      return shares == 0 && threshold == 0;
  }
  return false;
}

}  // namespace

absl::string_view SealKindName(SealKind kind) {
  switch (kind) {
    case SealKind::kShamir:
      return "shamir";
    case SealKind::kDevelopment:
      return "development";
    case SealKind::kPkcs11:
      return "pkcs11";
    case SealKind::kTpm:
      return "tpm";
  }
  return "unknown";
}

absl::Status SealKeyringInto(SealFile& file, const Secret& root,
                             const storage::Keyring& keyring) {
  KMS_ASSIGN_OR_RETURN(
      file.sealed_keyring,
      storage::SealKeyring(root, keyring, AsBytes(Header(file))));
  return absl::OkStatus();
}

absl::StatusOr<storage::Keyring> OpenKeyringOf(const SealFile& file,
                                               const Secret& root) {
  absl::StatusOr<storage::Keyring> keyring = storage::OpenKeyring(
      root, AsBytes(file.sealed_keyring), AsBytes(Header(file)));
  if (!keyring.ok() && absl::IsDataLoss(keyring.status())) {
    return Damaged("its keyring does not open: a wrong root key, or changed");
  }
  return keyring;
}

std::string EncodeSealFile(const SealFile& file) {
  ByteWriter writer;
  writer.Bytes(Header(file)).Field(file.sealed_keyring);
  writer.Bytes(crypto::Sha256(AsBytes(writer.str())));
  return writer.Take();
}

absl::StatusOr<SealFile> DecodeSealFile(BytesView bytes) {
  if (bytes.size() < kCheckBytes || bytes.size() > kSealFileBytesMax) {
    return Damaged(absl::StrCat(bytes.size(), " bytes, want ", kCheckBytes,
                                " to ", kSealFileBytesMax));
  }
  const BytesView body = bytes.subspan(0, bytes.size() - kCheckBytes);
  if (crypto::Sha256(body) != AsStringView(bytes.subspan(body.size()))) {
    return Damaged("its check does not match; it is cut or changed");
  }
  ByteReader reader(body);
  if (AsStringView(reader.Bytes(kMagic.size())) != kMagic) {
    return Damaged("unknown format");
  }
  SealFile file;
  file.kind = static_cast<SealKind>(reader.U8());
  const size_t shares = reader.U8();
  ShareCommitments& c = file.commitments;
  c.threshold = reader.U8();
  if (!CountsFit(file.kind, shares, c.threshold)) {
    return Damaged("impossible kind, number of shares or threshold");
  }
  c.cluster_id = ToString(reader.Bytes(kClusterIdBytes));
  c.ceremony_id = ToString(reader.Bytes(kCeremonyIdBytes));
  c.salt = ToString(reader.Bytes(kCommitmentSaltBytes));
  for (size_t i = 0; i < shares; ++i) {
    c.digests.push_back(ToString(reader.Bytes(kCommitmentBytes)));
  }
  file.identity_public_key = ToString(reader.Bytes(kIdentityKeyBytes));
  const size_t vkey_size = reader.U16Be();
  file.verifier_key = ToString(reader.Bytes(vkey_size));
  if (HasWrappedRoot(file.kind)) {
    const size_t wrapped_size = reader.U16Be();
    file.wrapped = ToString(reader.Bytes(wrapped_size));
    if (wrapped_size == 0 || wrapped_size > kWrappedRootBytesMax) reader.Fail();
  }
  const size_t keyring_size = reader.U32Be();
  file.sealed_keyring = ToString(reader.Bytes(keyring_size));
  if (!reader.Finish("seal file").ok() || vkey_size == 0 ||
      vkey_size > kVerifierKeyBytesMax || !Printable(file.verifier_key) ||
      keyring_size == 0 || keyring_size > kSealedKeyringBytesMax) {
    return Damaged("its fields do not fit its size");
  }
  return file;
}

}  // namespace kms::seal
