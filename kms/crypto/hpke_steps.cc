#include "kms/crypto/hpke_steps.h"

#include <utility>

#include "absl/status/status.h"
#include "kms/base/byte_writer.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/ecdh.h"
#include "kms/crypto/hkdf.h"
#include "kms/crypto/random.h"

namespace kms::crypto::hpke {
namespace {

constexpr uint16_t kKdfId = 0x0001;   // HKDF-SHA256
constexpr uint16_t kAeadId = 0x0002;  // AES-256-GCM
constexpr size_t kKeySize = 32;       // Nk
constexpr size_t kNonceSize = 12;     // Nn
constexpr size_t kSecretSize = 32;    // Nsecret, and HKDF-SHA256's Nh
constexpr uint8_t kModeBase = 0x00;

// Section 4.1: suite_id of the KEM's own labels.
std::string KemSuite(Kem kem) {
  return ByteWriter().Bytes("KEM").U16Be(static_cast<uint16_t>(kem)).Take();
}

// Section 5.1: suite_id of everything above the KEM.
std::string HpkeSuite(Kem kem) {
  return ByteWriter()
      .Bytes("HPKE")
      .U16Be(static_cast<uint16_t>(kem))
      .U16Be(kKdfId)
      .U16Be(kAeadId)
      .Take();
}

// labeled_ikm = concat("HPKE-v1", suite_id, label, ikm)
absl::StatusOr<Secret> LabeledExtract(const std::string& suite, BytesView salt,
                                      absl::string_view label, BytesView ikm) {
  return HkdfExtract(Hash::kSha256, salt,
                     {AsBytes("HPKE-v1"), AsBytes(suite), AsBytes(label), ikm},
                     GrantSecretAccess());
}

// labeled_info = concat(I2OSP(L, 2), "HPKE-v1", suite_id, label, info)
absl::StatusOr<Secret> LabeledExpand(const std::string& suite,
                                     const Secret& prk, absl::string_view label,
                                     BytesView info, size_t size) {
  const std::string labeled_info = ByteWriter()
                                       .U16Be(static_cast<uint16_t>(size))
                                       .Bytes("HPKE-v1")
                                       .Bytes(suite)
                                       .Bytes(label)
                                       .Bytes(info)
                                       .Take();
  return HkdfExpand(Hash::kSha256, prk, AsBytes(labeled_info), size);
}

absl::StatusOr<KeyPair> PairOf(Kem kem, Secret scalar) {
  KMS_ASSIGN_OR_RETURN(std::string public_key, PublicKeyOf(kem, scalar));
  return KeyPair{std::move(scalar), std::move(public_key)};
}

}  // namespace

absl::StatusOr<KeyPair> DeriveKeyPair(Kem kem, const Secret& ikm) {
  if (ikm.size() < kSecretSize) {
    return absl::InvalidArgumentError("hpke: fewer than 32 bytes to derive of");
  }
  const std::string suite = KemSuite(kem);
  KMS_ASSIGN_OR_RETURN(
      const Secret prk,
      LabeledExtract(suite, {}, "dkp_prk", ikm.Expose(GrantSecretAccess())));
  if (kem == Kem::kX25519) {
    KMS_ASSIGN_OR_RETURN(Secret scalar,
                         LabeledExpand(suite, prk, "sk", {}, kEcdhSecretSize));
    return PairOf(kem, std::move(scalar));
  }
  // Section 7.1.3: candidates until one is in range; bitmask is 0xff.
  for (int counter = 0; counter <= 255; ++counter) {
    const uint8_t info = static_cast<uint8_t>(counter);
    KMS_ASSIGN_OR_RETURN(
        Secret candidate,
        LabeledExpand(suite, prk, "candidate", absl::MakeConstSpan(&info, 1),
                      kEcdhSecretSize));
    absl::StatusOr<KeyPair> pair = PairOf(kem, std::move(candidate));
    if (pair.ok()) return pair;
  }
  return absl::InvalidArgumentError("hpke: no key pair from these bytes");
}

absl::StatusOr<KeyPair> GenerateKeyPair(Kem kem) {
  // Any 32 bytes are a scalar of X25519; of P-256, all but 2^-32 of them are.
  while (true) {
    KMS_ASSIGN_OR_RETURN(Secret scalar, RandomSecret(kEcdhSecretSize));
    absl::StatusOr<KeyPair> pair = PairOf(kem, std::move(scalar));
    if (!absl::IsInvalidArgument(pair.status())) return pair;
  }
}

absl::StatusOr<Secret> Dh(Kem kem, const Secret& scalar, BytesView public_key,
                          BytesView peer) {
  return kem == Kem::kX25519 ? X25519(scalar, public_key, peer)
                             : P256Ecdh(scalar, public_key, peer);
}

absl::Status CheckPeer(Kem kem, BytesView peer) {
  return kem == Kem::kX25519 ? X25519CheckPeer(peer) : P256CheckPeer(peer);
}

absl::StatusOr<std::string> PublicKeyOf(Kem kem, const Secret& scalar) {
  return kem == Kem::kX25519 ? X25519PublicKey(scalar) : P256PublicKey(scalar);
}

absl::StatusOr<Secret> SharedSecret(Kem kem, const Secret& dh, BytesView enc,
                                    BytesView recipient_public_key) {
  const std::string suite = KemSuite(kem);
  KMS_ASSIGN_OR_RETURN(
      const Secret prk,
      LabeledExtract(suite, {}, "eae_prk", dh.Expose(GrantSecretAccess())));
  const std::string context =
      ByteWriter().Bytes(enc).Bytes(recipient_public_key).Take();
  return LabeledExpand(suite, prk, "shared_secret", AsBytes(context),
                       kSecretSize);
}

absl::StatusOr<Schedule> KeySchedule(Kem kem, const Secret& shared_secret,
                                     BytesView info) {
  const SecretAccess access = GrantSecretAccess();
  const std::string suite = HpkeSuite(kem);
  // key_schedule_context = concat(mode, psk_id_hash, info_hash), of an empty
  // psk_id in base mode.
  KMS_ASSIGN_OR_RETURN(const Secret psk_id_hash,
                       LabeledExtract(suite, {}, "psk_id_hash", {}));
  KMS_ASSIGN_OR_RETURN(const Secret info_hash,
                       LabeledExtract(suite, {}, "info_hash", info));
  const std::string context = ByteWriter()
                                  .U8(kModeBase)
                                  .Bytes(psk_id_hash.Expose(access))
                                  .Bytes(info_hash.Expose(access))
                                  .Take();
  KMS_ASSIGN_OR_RETURN(
      const Secret secret,
      LabeledExtract(suite, shared_secret.Expose(access), "secret", {}));
  Schedule schedule;
  KMS_ASSIGN_OR_RETURN(schedule.key, LabeledExpand(suite, secret, "key",
                                                   AsBytes(context), kKeySize));
  KMS_ASSIGN_OR_RETURN(
      schedule.base_nonce,
      LabeledExpand(suite, secret, "base_nonce", AsBytes(context), kNonceSize));
  return schedule;
}

}  // namespace kms::crypto::hpke
