#include "tests/simulation/cluster_keys.h"

#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/secret_access.h"
#include "kms/crypto/digest.h"
#include "storage/envelope/keyring.h"

namespace kms::simulation {
namespace {

Secret FixedSecret(BytesView bytes) {
  auto secret = Secret::CopyOf(bytes, GrantSecretAccess());
  return *std::move(secret);
}

std::string Fixed(absl::string_view what, size_t n) {
  return crypto::Sha256(AsBytes(absl::StrCat("kms simulation ", what, n)));
}

std::array<Identity, kIdentitiesMax> MakeIdentities() {
  std::array<Identity, kIdentitiesMax> identities;
  for (size_t i = 0; i < kIdentitiesMax; ++i) {
    const std::string id = Fixed("instance", i);
    std::copy_n(id.begin(), storage::InstanceId::kSize,
                identities[i].id.bytes.begin());
    auto key = crypto::Ed25519SigningKey::FromSeed(
        FixedSecret(AsBytes(Fixed("signing key", i))));
    identities[i].key = new crypto::Ed25519SigningKey(*std::move(key));
  }
  return identities;
}

// The grammar of an encoded keyring is in keyring.h.
std::unique_ptr<storage::Envelope> MakeEnvelope() {
  ByteWriter encoded;
  encoded.U8(1);
  for (const storage::KeyKind kind : storage::kKeyKinds) {
    encoded.U8(static_cast<uint8_t>(kind)).U16Le(1);
    encoded.Bytes(Fixed("key", static_cast<size_t>(kind)));
  }
  auto keyring = storage::DecodeKeyring(FixedSecret(AsBytes(encoded.str())));
  auto envelope = storage::Envelope::Create(
      std::make_shared<const storage::Keyring>(*std::move(keyring)));
  return *std::move(envelope);
}

}  // namespace

const Identity& IdentityOf(size_t number) {
  static const auto& identities = *new auto(MakeIdentities());
  return identities.at(number);
}

const storage::Envelope& ClusterEnvelope() {
  static const storage::Envelope& envelope = *MakeEnvelope().release();
  return envelope;
}

const std::string& ClusterId() {
  static const std::string& id = *new std::string(Fixed("cluster", 0), 0, 16);
  return id;
}

}  // namespace kms::simulation
