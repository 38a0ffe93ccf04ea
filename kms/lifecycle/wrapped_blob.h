// A wrapped blob: a data key that a publisher made himself, sealed to one
// version of a wrapping key, with no call to the service. It opens only in an
// instance that holds the version's private half, and only as what it says.
//
//   blob       := header enc ciphertext
//   header     := magic format cluster-id namespace key-id version kem artifact
//   magic      := "KMSBLOB" NUL
//   format     := uint8         ; 1
//   cluster-id := 16 bytes
//   namespace  := uint8 length, 1 to 64 bytes of a name (kms/base/names.h)
//   key-id     := 16 bytes
//   version    := uint32be      ; of the key, from 1
//   kem        := uint16be      ; RFC 9180, section 7.1: 0x0010 or 0x0020
//   artifact   := uint8 0                      ; bound to none
//               / uint8 32, 32 bytes           ; SHA-256 of what it encrypts
//   enc        := 65 bytes (0x0010) or 32 (0x0020)
//   ciphertext := the rest: the data key's 16 to 1,024 bytes and 16 of tag
//
// HPKE (RFC 9180), base mode, HKDF-SHA256, AES-256-GCM; info is
// "kms.v1 wrapped blob", the associated data is the header. Every byte of a
// blob is authenticated, and every value has one encoding. Anyone who has the
// public half can make one: a blob says nothing of its maker.
// Thread-safe: free functions over values. Links neither storage nor gRPC:
// publishers use it offline.
#ifndef KMS_LIFECYCLE_WRAPPED_BLOB_H_
#define KMS_LIFECYCLE_WRAPPED_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "kms/crypto/hpke.h"

namespace kms::lifecycle {

// Under 128 bits can be searched; no cipher takes a key of over a KiB, and a
// blob must fit into a release request.
inline constexpr size_t kDataKeySizeMin = 16;
inline constexpr size_t kDataKeySizeMax = 1024;
inline constexpr size_t kArtifactDigestSize = 32;
// The most that the grammar allows.
inline constexpr size_t kBlobSizeMax =
    8 + 1 + 16 + 1 + 64 + 16 + 4 + 2 + 1 + 32 + 65 + kDataKeySizeMax + 16;

struct BlobHeader {
  std::string cluster_id;  // 16 bytes.
  std::string name_space;  // Resolved: "default", never empty.
  std::string key_id;      // 16 bytes.
  uint32_t version = 0;
  crypto::Kem kem = crypto::Kem::kX25519;
  std::string artifact_digest;  // 32 bytes, or empty: bound to none.

  friend bool operator==(const BlobHeader&, const BlobHeader&) = default;
};

// What a blob says of itself; nobody has vouched for it before OpenBlob.
struct WrappedBlob {
  BlobHeader header;
  std::string enc;
  std::string ciphertext;
};

// A blob of `data_key` for the holder of `public_key`'s private half (32 bytes
// for X25519, 65 for P-256), who is the key version that `header` names.
// BLOB_MALFORMED: a field of `header`, or the data key, has not its size.
// RECIPIENT_KEY_INVALID: as crypto::HpkeSeal. kResourceExhausted: no locked
// memory left.
absl::StatusOr<std::string> SealBlob(const BlobHeader& header,
                                     BytesView public_key,
                                     const Secret& data_key);

// BLOB_MALFORMED: not exactly one blob of the grammar above.
absl::StatusOr<WrappedBlob> ParseBlob(BytesView bytes);

// The bytes that ParseBlob reads as `blob`.
std::string EncodeBlob(const WrappedBlob& blob);

// The data key. The caller has held the header against the key version whose
// private half this is.
// BLOB_REJECTED: not sealed to this private half as this header.
// kResourceExhausted: no locked memory left.
absl::StatusOr<Secret> OpenBlob(const WrappedBlob& blob,
                                const crypto::HpkePrivateKey& private_key);

}  // namespace kms::lifecycle

#endif  // KMS_LIFECYCLE_WRAPPED_BLOB_H_
