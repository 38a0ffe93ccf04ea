#include "kms/lifecycle/wrapped_blob.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/names.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::lifecycle {
namespace {

constexpr absl::string_view kMagic("KMSBLOB\0", 8);
constexpr uint8_t kFormat = 1;
constexpr size_t kIdSize = 16;
constexpr size_t kTagSize = 16;  // AES-256-GCM.
constexpr char kInfo[] = "kms.v1 wrapped blob";

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::BLOB_MALFORMED, absl::StrCat("wrapped blob: ", fault));
}

size_t EncSize(crypto::Kem kem) { return kem == crypto::Kem::kP256 ? 65 : 32; }

absl::Status CheckHeader(const BlobHeader& header) {
  if (header.cluster_id.size() != kIdSize || header.key_id.size() != kIdSize) {
    return Malformed("an id is not 16 bytes");
  }
  if (header.name_space.empty() || !ResolveNamespace(header.name_space).ok()) {
    return Malformed("the namespace is not a name");
  }
  if (header.version == 0) return Malformed("key version 0");
  if (!crypto::KemFromId(static_cast<uint16_t>(header.kem)).ok()) {
    return Malformed("unknown KEM, want 16 (P-256) or 32 (X25519)");
  }
  if (!header.artifact_digest.empty() &&
      header.artifact_digest.size() != kArtifactDigestSize) {
    return Malformed("the artifact digest is not 32 bytes");
  }
  return absl::OkStatus();
}

absl::Status CheckDataKeySize(size_t size) {
  if (size >= kDataKeySizeMin && size <= kDataKeySizeMax) {
    return absl::OkStatus();
  }
  return Malformed(absl::StrCat("a data key of ", size, " bytes, want ",
                                kDataKeySizeMin, " to ", kDataKeySizeMax));
}

std::string EncodeHeader(const BlobHeader& header) {
  return ByteWriter()
      .Bytes(kMagic)
      .U8(kFormat)
      .Bytes(header.cluster_id)
      .U8(static_cast<uint8_t>(header.name_space.size()))
      .Bytes(header.name_space)
      .Bytes(header.key_id)
      .U32Be(header.version)
      .U16Be(static_cast<uint16_t>(header.kem))
      .U8(static_cast<uint8_t>(header.artifact_digest.size()))
      .Bytes(header.artifact_digest)
      .Take();
}

}  // namespace

absl::StatusOr<std::string> SealBlob(const BlobHeader& header,
                                     BytesView public_key,
                                     const Secret& data_key) {
  KMS_RETURN_IF_ERROR(CheckHeader(header));
  KMS_RETURN_IF_ERROR(CheckDataKeySize(data_key.size()));
  const std::string aad = EncodeHeader(header);
  KMS_ASSIGN_OR_RETURN(const crypto::HpkeSealed sealed,
                       crypto::HpkeSeal(header.kem, public_key, AsBytes(kInfo),
                                        AsBytes(aad), data_key));
  return absl::StrCat(aad, sealed.enc, sealed.ciphertext);
}

absl::StatusOr<WrappedBlob> ParseBlob(BytesView bytes) {
  if (bytes.size() > kBlobSizeMax) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want at most ", kBlobSizeMax));
  }
  ByteReader reader(bytes);
  if (AsStringView(reader.Bytes(kMagic.size())) != kMagic) {
    return Malformed("does not begin as one");
  }
  if (const uint8_t format = reader.U8(); format != kFormat) {
    return Malformed(absl::StrCat("format ", format, ", want ", kFormat));
  }
  WrappedBlob blob;
  BlobHeader& header = blob.header;
  header.cluster_id = ToString(reader.Bytes(kIdSize));
  header.name_space = ToString(reader.Bytes(reader.U8()));
  header.key_id = ToString(reader.Bytes(kIdSize));
  header.version = reader.U32Be();
  header.kem = static_cast<crypto::Kem>(reader.U16Be());
  header.artifact_digest = ToString(reader.Bytes(reader.U8()));
  if (reader.failed()) return Malformed("cut short");
  KMS_RETURN_IF_ERROR(CheckHeader(header));
  blob.enc = ToString(reader.Bytes(EncSize(header.kem)));
  if (reader.failed() || reader.remaining() < kTagSize) {
    return Malformed("cut short");
  }
  KMS_RETURN_IF_ERROR(CheckDataKeySize(reader.remaining() - kTagSize));
  blob.ciphertext = ToString(reader.Bytes(reader.remaining()));
  return blob;
}

std::string EncodeBlob(const WrappedBlob& blob) {
  return absl::StrCat(EncodeHeader(blob.header), blob.enc, blob.ciphertext);
}

absl::StatusOr<Secret> OpenBlob(const WrappedBlob& blob,
                                const crypto::HpkePrivateKey& private_key) {
  const absl::Status rejected =
      Refuse(v1::BLOB_REJECTED,
             "wrapped blob: does not open under the key version that it "
             "names; it was changed, or sealed to another public key");
  if (blob.header.kem != private_key.kem()) return rejected;
  const std::string aad = EncodeHeader(blob.header);
  absl::StatusOr<Secret> data_key =
      crypto::HpkeOpen(private_key, AsBytes(blob.enc), AsBytes(kInfo),
                       AsBytes(aad), AsBytes(blob.ciphertext));
  if (absl::IsUnauthenticated(data_key.status())) return rejected;
  return data_key;
}

}  // namespace kms::lifecycle
