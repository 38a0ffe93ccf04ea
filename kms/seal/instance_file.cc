#include "kms/seal/instance_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/hkdf.h"
#include "kms/crypto/xaes.h"
#include "kms/seal/limits.h"

namespace kms::seal {
namespace {

constexpr absl::string_view kMagic("kmsinst\x01", 8);
constexpr absl::string_view kKeyInfo = "kms.v1 instance key";
constexpr size_t kCheckBytes = 32;

absl::Status Damaged(absl::string_view fault) {
  return Refuse(v1::DATA_LOSS, absl::StrCat("instance file: ", fault));
}

absl::StatusOr<crypto::Xaes256Gcm> CipherUnder(const Secret& root) {
  // The root key is uniform: HKDF's extract step would add nothing.
  KMS_ASSIGN_OR_RETURN(
      const Secret key,
      crypto::HkdfExpand(crypto::Hash::kSha256, root, AsBytes(kKeyInfo),
                         crypto::Xaes256Gcm::kKeySize));
  return crypto::Xaes256Gcm::Create(key);
}

std::string Aad(BytesView cluster_id, BytesView id) {
  ByteWriter writer;
  writer.Bytes(kMagic).Field(cluster_id).Field(id);
  return writer.Take();
}

}  // namespace

absl::StatusOr<InstanceFile> MakeInstanceFile(
    BytesView cluster_id, BytesView id, const crypto::Ed25519SigningKey& key,
    const Secret& root) {
  KMS_ASSIGN_OR_RETURN(const crypto::Xaes256Gcm cipher, CipherUnder(root));
  KMS_ASSIGN_OR_RETURN(const Secret seed, key.seed());
  return InstanceFile{ToString(id),
                      cipher.SealSecret(seed, AsBytes(Aad(cluster_id, id)))};
}

absl::StatusOr<crypto::Ed25519SigningKey> OpenInstanceKey(
    const InstanceFile& file, BytesView cluster_id, const Secret& root) {
  KMS_ASSIGN_OR_RETURN(const crypto::Xaes256Gcm cipher, CipherUnder(root));
  const std::string aad = Aad(cluster_id, AsBytes(file.id));
  const absl::StatusOr<Secret> seed =
      cipher.OpenSecret(AsBytes(file.sealed_seed), AsBytes(aad));
  if (!seed.ok()) {
    if (absl::IsResourceExhausted(seed.status())) return seed.status();
    return Damaged("its key does not open: another cluster's, or changed");
  }
  return crypto::Ed25519SigningKey::FromSeed(*seed);
}

std::string EncodeInstanceFile(const InstanceFile& file) {
  ByteWriter writer;
  writer.Bytes(kMagic).Bytes(file.id).Bytes(file.sealed_seed);
  writer.Bytes(crypto::Sha256(AsBytes(writer.str())));
  return writer.Take();
}

absl::StatusOr<InstanceFile> DecodeInstanceFile(BytesView bytes) {
  ByteReader reader(bytes);
  const std::string magic = ToString(reader.Bytes(kMagic.size()));
  InstanceFile file;
  file.id = ToString(reader.Bytes(kInstanceIdBytes));
  file.sealed_seed = ToString(reader.Bytes(kSealedSeedBytes));
  const BytesView check = reader.Bytes(kCheckBytes);
  if (!reader.Finish("instance file").ok()) {
    return Damaged(absl::StrCat(
        bytes.size(), " bytes, want ",
        kMagic.size() + kInstanceIdBytes + kSealedSeedBytes + kCheckBytes));
  }
  if (magic != kMagic) return Damaged("unknown format");
  if (crypto::Sha256(bytes.subspan(0, bytes.size() - kCheckBytes)) !=
      AsStringView(check)) {
    return Damaged("its check does not match; it is changed");
  }
  return file;
}

}  // namespace kms::seal
