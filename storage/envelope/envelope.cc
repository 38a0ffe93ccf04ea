#include "storage/envelope/envelope.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/xaes.h"

namespace kms::storage {
namespace {

using crypto::Xaes256Gcm;

constexpr uint8_t kFormat = 1;
constexpr size_t kHeaderBytes = 1 + 4;  // format version
static_assert(kEnvelopeOverhead == kHeaderBytes + Xaes256Gcm::kOverhead);

constexpr std::array<KeyKind, 2> kEncryptingKinds = {KeyKind::kStorage,
                                                     KeyKind::kLog};

std::string Header(uint32_t version) {
  return ByteWriter().U8(kFormat).U32Le(version).Take();
}

// The caller's associated data come last: what stands before is of one size.
std::string FullAad(KeyKind kind, absl::string_view header, BytesView aad) {
  return ByteWriter()
      .U8(static_cast<uint8_t>(kind))
      .Bytes(header)
      .Bytes(aad)
      .Take();
}

// An open that failed: of what this service stored itself, so it is damage.
absl::Status OpenError(const absl::Status& status) {
  if (!absl::IsUnauthenticated(status)) return status;
  return Refuse(v1::DATA_LOSS, "envelope: does not authenticate");
}

}  // namespace

struct Envelope::Prepared {
  std::shared_ptr<const Keyring> keyring;
  // ciphers[i][version - 1], i as in kEncryptingKinds.
  std::array<std::vector<Xaes256Gcm>, kEncryptingKinds.size()> ciphers;

  // Every version of `kind`. kInvalidArgument: it does not encrypt.
  absl::StatusOr<const std::vector<Xaes256Gcm>*> Find(KeyKind kind) const {
    for (size_t i = 0; i < kEncryptingKinds.size(); ++i) {
      if (kEncryptingKinds[i] == kind) return &ciphers[i];
    }
    return absl::InvalidArgumentError(
        absl::StrCat("envelope: ", KeyKindName(kind), " keys do not encrypt"));
  }

  // The cipher of the version that `sealed` names.
  absl::StatusOr<const Xaes256Gcm*> FindFor(KeyKind kind,
                                            BytesView sealed) const {
    KMS_ASSIGN_OR_RETURN(const std::vector<Xaes256Gcm>* versions, Find(kind));
    KMS_ASSIGN_OR_RETURN(const uint32_t version, EnvelopeKeyVersion(sealed));
    if (version > versions->size()) {
      return absl::FailedPreconditionError(
          absl::StrCat("envelope: made under version ", version, " of ",
                       KeyKindName(kind), ", have 1 to ", versions->size()));
    }
    return &(*versions)[version - 1];
  }
};

absl::StatusOr<std::shared_ptr<const Envelope::Prepared>> Envelope::Prepare(
    std::shared_ptr<const Keyring> keyring) {
  auto prepared = std::make_shared<Prepared>();
  for (size_t i = 0; i < kEncryptingKinds.size(); ++i) {
    const KeyKind kind = kEncryptingKinds[i];
    for (uint32_t version = 1; version <= keyring->primary(kind); ++version) {
      KMS_ASSIGN_OR_RETURN(const Secret* key, keyring->Get(kind, version));
      KMS_ASSIGN_OR_RETURN(Xaes256Gcm cipher, Xaes256Gcm::Create(*key));
      prepared->ciphers[i].push_back(std::move(cipher));
    }
  }
  prepared->keyring = std::move(keyring);
  return std::shared_ptr<const Prepared>(std::move(prepared));
}

absl::StatusOr<std::unique_ptr<Envelope>> Envelope::Create(
    std::shared_ptr<const Keyring> keyring) {
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const Prepared> prepared,
                       Prepare(std::move(keyring)));
  return std::unique_ptr<Envelope>(new Envelope(std::move(prepared)));
}

Envelope::Envelope(std::shared_ptr<const Prepared> prepared)
    : prepared_(std::move(prepared)) {}

Envelope::~Envelope() = default;

std::shared_ptr<const Envelope::Prepared> Envelope::Current() const {
  absl::MutexLock lock(&mutex_);
  return prepared_;
}

std::shared_ptr<const Keyring> Envelope::keyring() const {
  return Current()->keyring;
}

absl::Status Envelope::Update(std::shared_ptr<const Keyring> keyring) {
  KMS_ASSIGN_OR_RETURN(std::shared_ptr<const Prepared> prepared,
                       Prepare(std::move(keyring)));
  absl::MutexLock lock(&mutex_);
  if (!prepared->keyring->Contains(*prepared_->keyring)) {
    return absl::InvalidArgumentError(
        "envelope: new keyring lacks a key of the present one");
  }
  prepared_ = std::move(prepared);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Envelope::Seal(KeyKind kind, BytesView plaintext,
                                           BytesView aad) const {
  const std::shared_ptr<const Prepared> prepared = Current();
  KMS_ASSIGN_OR_RETURN(const std::vector<Xaes256Gcm>* versions,
                       prepared->Find(kind));
  std::string header = Header(static_cast<uint32_t>(versions->size()));
  const std::string full_aad = FullAad(kind, header, aad);
  return header + versions->back().Seal(plaintext, AsBytes(full_aad));
}

absl::StatusOr<std::string> Envelope::SealSecret(KeyKind kind,
                                                 const Secret& plaintext,
                                                 BytesView aad) const {
  const std::shared_ptr<const Prepared> prepared = Current();
  KMS_ASSIGN_OR_RETURN(const std::vector<Xaes256Gcm>* versions,
                       prepared->Find(kind));
  std::string header = Header(static_cast<uint32_t>(versions->size()));
  const std::string full_aad = FullAad(kind, header, aad);
  return header + versions->back().SealSecret(plaintext, AsBytes(full_aad));
}

absl::StatusOr<std::string> Envelope::Open(KeyKind kind, BytesView sealed,
                                           BytesView aad) const {
  const std::shared_ptr<const Prepared> prepared = Current();
  KMS_ASSIGN_OR_RETURN(const Xaes256Gcm* cipher,
                       prepared->FindFor(kind, sealed));
  const std::string full_aad =
      FullAad(kind, AsStringView(sealed.first(kHeaderBytes)), aad);
  absl::StatusOr<std::string> plaintext =
      cipher->Open(sealed.subspan(kHeaderBytes), AsBytes(full_aad));
  if (!plaintext.ok()) return OpenError(plaintext.status());
  return plaintext;
}

absl::StatusOr<Secret> Envelope::OpenSecret(KeyKind kind, BytesView sealed,
                                            BytesView aad) const {
  const std::shared_ptr<const Prepared> prepared = Current();
  KMS_ASSIGN_OR_RETURN(const Xaes256Gcm* cipher,
                       prepared->FindFor(kind, sealed));
  const std::string full_aad =
      FullAad(kind, AsStringView(sealed.first(kHeaderBytes)), aad);
  absl::StatusOr<Secret> plaintext =
      cipher->OpenSecret(sealed.subspan(kHeaderBytes), AsBytes(full_aad));
  if (!plaintext.ok()) return OpenError(plaintext.status());
  return plaintext;
}

absl::StatusOr<uint32_t> EnvelopeKeyVersion(BytesView sealed) {
  if (sealed.size() < kEnvelopeOverhead) {
    return Refuse(v1::DATA_LOSS,
                  absl::StrCat("envelope: ", sealed.size(),
                               " bytes, want at least ", kEnvelopeOverhead));
  }
  ByteReader reader(sealed);
  const uint8_t format = reader.U8();
  const uint32_t version = reader.U32Le();
  if (format != kFormat || version == 0) {
    return Refuse(
        v1::DATA_LOSS,
        absl::StrCat("envelope: format ", format, " version ", version,
                     ", want format ", kFormat, " and a version from 1"));
  }
  return version;
}

std::string RowAad(absl::string_view name_space, absl::string_view family,
                   absl::string_view id) {
  return ByteWriter()
      .Field("kms.v1 row")
      .Field(name_space)
      .Field(family)
      .Field(id)
      .Take();
}

}  // namespace kms::storage
