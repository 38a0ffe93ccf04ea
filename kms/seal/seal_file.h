// The seal file: what an instance needs to find its root key again, and all
// that a sealed one can show. One per data directory. Instances of a cluster
// have one keyring; where custodians have the root key, instances that joined
// by one another have one seal file too, until one of them is rekeyed.
//
//   seal       = header keyring check
//   header     = magic kind shares threshold cluster ceremony salt
//                commitment*shares identity vkey [wrapped]
//   magic      = "kmsseal" %x01
//   kind       = uint8         ; 1 shamir, 2 development, 3 pkcs11, 4 tpm
//   shares     = uint8         ; n, 1 to 32; 0 but for shamir
//   threshold  = uint8         ; k, 1 to n;  0 but for shamir
//   cluster    = 16 bytes
//   ceremony   = 8 bytes
//   salt       = 16 bytes
//   commitment = 32 bytes      ; of share 1, 2, ... n
//   identity   = 32 bytes      ; Ed25519 public key that clients pin
//   vkey       = uint16be length, text   ; C2SP key of the checkpoints
//   wrapped    = uint16be length, bytes  ; kinds 3 and 4: RootDevice::Wrap's
//   keyring    = uint32be length, SealKeyring(root, keyring, aad = header)
//   check      = 32 bytes      ; SHA-256 of all before: bit rot, not forgery
//
// The keyring opens only with the header that it was made with, so a changed
// threshold, commitment or identity key shows at the latest when the root key
// is there. Before that, the header is what the disk says.
//
// Source: architecture.md, "Seals". Thread-safe: free functions over values.
#ifndef KMS_SEAL_SEAL_FILE_H_
#define KMS_SEAL_SEAL_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"
#include "kms/base/secret.h"
#include "storage/envelope/keyring.h"

namespace kms::seal {

// The values are stored; never renumber.
enum class SealKind : uint8_t {
  kShamir = 1,       // The root key is split among custodians.
  kDevelopment = 2,  // The root key is in a file: no protection at all.
  kPkcs11 = 3,       // Encrypted by a key of a PKCS#11 token.
  kTpm = 4,          // Sealed by this machine's TPM.
};

// "shamir", "development", "pkcs11", "tpm".
absl::string_view SealKindName(SealKind kind);

// How the shares of one ceremony are told apart from all others.
struct ShareCommitments {
  std::string cluster_id;   // kClusterIdBytes.
  std::string ceremony_id;  // kCeremonyIdBytes.
  std::string salt;         // kCommitmentSaltBytes.
  uint8_t threshold = 0;
  std::vector<std::string> digests;  // 32 bytes each, of share 1, 2, ...
};

inline constexpr size_t kCommitmentSaltBytes = 16;
inline constexpr size_t kCommitmentBytes = 32;
inline constexpr size_t kIdentityKeyBytes = 32;

struct SealFile {
  SealKind kind = SealKind::kShamir;
  // But for kShamir: no digests, threshold 0; cluster_id is set in any case.
  ShareCommitments commitments;
  std::string identity_public_key;  // kIdentityKeyBytes.
  std::string verifier_key;         // 1 to kVerifierKeyBytesMax, printable.
  std::string wrapped;  // For kPkcs11 and kTpm; 1 to kWrappedRootBytesMax.
  std::string sealed_keyring;
};

// Encrypts `keyring` under `root` (32 bytes) into `file`, whose other fields
// are set. Codes of storage::SealKeyring.
absl::Status SealKeyringInto(SealFile& file, const Secret& root,
                             const storage::Keyring& keyring);

// DATA_LOSS: wrong root key, or a changed file; which cannot be told.
absl::StatusOr<storage::Keyring> OpenKeyringOf(const SealFile& file,
                                               const Secret& root);

// The file's bytes. REQUIRES: fields as documented.
std::string EncodeSealFile(const SealFile& file);

// The inverse: one encoding per file.
// DATA_LOSS: not a seal file, or changed.
absl::StatusOr<SealFile> DecodeSealFile(BytesView bytes);

}  // namespace kms::seal

#endif  // KMS_SEAL_SEAL_FILE_H_
