#include "kms/crypto/hpke.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/aead.h"
#include "kms/crypto/hpke_steps.h"

namespace kms::crypto {
namespace {

absl::Status BadRecipient(absl::string_view fault) {
  return Refuse(v1::RECIPIENT_KEY_INVALID,
                absl::StrCat("recipient key: ", fault));
}

// The AEAD of a schedule; a message's nonce is the base nonce, because each
// encapsulation seals one message (sequence number 0).
absl::StatusOr<Aes256Gcm> MakeAead(Kem kem, const Secret& dh, BytesView enc,
                                   BytesView recipient_public_key,
                                   BytesView info, Secret& nonce) {
  KMS_ASSIGN_OR_RETURN(const Secret shared,
                       hpke::SharedSecret(kem, dh, enc, recipient_public_key));
  KMS_ASSIGN_OR_RETURN(hpke::Schedule schedule,
                       hpke::KeySchedule(kem, shared, info));
  nonce = std::move(schedule.base_nonce);
  return Aes256Gcm::Create(schedule.key);
}

// A bad point is the peer's fault; an empty pool is not.
bool IsBadPoint(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInvalidArgument;
}

}  // namespace

absl::StatusOr<Kem> KemFromId(uint32_t id) {
  for (const Kem kem : {Kem::kP256, Kem::kX25519}) {
    if (id == static_cast<uint16_t>(kem)) return kem;
  }
  return BadRecipient(
      absl::StrCat("KEM ", id, ", want 16 (P-256) or 32 (X25519)"));
}

absl::StatusOr<HpkePrivateKey> HpkePrivateKey::FromScalar(
    Kem kem, const Secret& scalar) {
  KMS_ASSIGN_OR_RETURN(std::string public_key, hpke::PublicKeyOf(kem, scalar));
  KMS_ASSIGN_OR_RETURN(Secret copy, scalar.Clone());
  return HpkePrivateKey(kem, std::move(copy), std::move(public_key));
}

absl::StatusOr<HpkeKeyPair> HpkeDeriveKeyPair(Kem kem, const Secret& ikm) {
  KMS_ASSIGN_OR_RETURN(hpke::KeyPair pair, hpke::DeriveKeyPair(kem, ikm));
  return HpkeKeyPair{
      HpkePrivateKey(kem, std::move(pair.scalar), pair.public_key),
      pair.public_key};
}

absl::StatusOr<HpkeKeyPair> HpkeGenerateKeyPair(Kem kem) {
  KMS_ASSIGN_OR_RETURN(hpke::KeyPair pair, hpke::GenerateKeyPair(kem));
  return HpkeKeyPair{
      HpkePrivateKey(kem, std::move(pair.scalar), pair.public_key),
      pair.public_key};
}

absl::Status HpkeCheckPublicKey(Kem kem, BytesView recipient_public_key) {
  const absl::Status status = hpke::CheckPeer(kem, recipient_public_key);
  return IsBadPoint(status) ? BadRecipient(status.message()) : status;
}

absl::StatusOr<HpkeSealed> HpkeSeal(Kem kem, BytesView recipient_public_key,
                                    BytesView info, BytesView aad,
                                    const Secret& plaintext) {
  KMS_ASSIGN_OR_RETURN(const hpke::KeyPair ephemeral,
                       hpke::GenerateKeyPair(kem));
  const absl::StatusOr<Secret> dh =
      hpke::Dh(kem, ephemeral.scalar, AsBytes(ephemeral.public_key),
               recipient_public_key);
  if (IsBadPoint(dh.status())) return BadRecipient(dh.status().message());
  if (!dh.ok()) return dh.status();
  Secret nonce;
  KMS_ASSIGN_OR_RETURN(const Aes256Gcm aead,
                       MakeAead(kem, *dh, AsBytes(ephemeral.public_key),
                                recipient_public_key, info, nonce));
  KMS_ASSIGN_OR_RETURN(
      std::string ciphertext,
      aead.SealSecret(nonce.Expose(GrantSecretAccess()), plaintext, aad));
  return HpkeSealed{ephemeral.public_key, std::move(ciphertext)};
}

absl::StatusOr<Secret> HpkeOpen(const HpkePrivateKey& private_key,
                                BytesView enc, BytesView info, BytesView aad,
                                BytesView ciphertext) {
  const Kem kem = private_key.kem();
  const absl::StatusOr<Secret> dh = hpke::Dh(
      kem, private_key.scalar(), AsBytes(private_key.public_key()), enc);
  if (IsBadPoint(dh.status())) {
    return absl::UnauthenticatedError("hpke: bad encapsulated key");
  }
  if (!dh.ok()) return dh.status();
  Secret nonce;
  KMS_ASSIGN_OR_RETURN(
      const Aes256Gcm aead,
      MakeAead(kem, *dh, enc, AsBytes(private_key.public_key()), info, nonce));
  return aead.OpenSecret(nonce.Expose(GrantSecretAccess()), ciphertext, aad);
}

}  // namespace kms::crypto
