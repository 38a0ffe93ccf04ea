#include "kms/release/challenge.h"

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/hmac.h"
#include "kms/crypto/random.h"

namespace kms::release {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kRandomBytes = 32;
constexpr size_t kMacBytes = 32;
static_assert(kChallengeBytes == 1 + 4 + 8 + 8 + kRandomBytes + kMacBytes);

absl::Status Invalid(absl::string_view what) {
  return Refuse(v1::CHALLENGE_INVALID, absl::StrCat("challenge: ", what));
}

}  // namespace

ChallengeKeeper::ChallengeKeeper(
    std::shared_ptr<const storage::Keyring> keyring, BytesView cluster_id,
    uint64_t epoch, absl::Duration lifetime)
    : keyring_(std::move(keyring)),
      context_(ByteWriter()
                   .Field("kms.v1 challenge")
                   .Field(cluster_id)
                   .U64Be(epoch)
                   .Take()),
      lifetime_(lifetime) {}

absl::StatusOr<std::string> ChallengeKeeper::Mac(uint32_t key_version,
                                                 BytesView fields) const {
  KMS_ASSIGN_OR_RETURN(
      const Secret* const key,
      keyring_->Get(storage::KeyKind::kChallenge, key_version));
  return crypto::HmacSha256(
      *key, AsBytes(absl::StrCat(context_, AsStringView(fields))));
}

absl::StatusOr<Challenge> ChallengeKeeper::Issue(absl::Time now) const {
  const uint32_t version = keyring_->primary(storage::KeyKind::kChallenge);
  std::string bytes =
      ByteWriter()
          .U8(kFormat)
          .U32Be(version)
          .U64Be(static_cast<uint64_t>(absl::ToUnixMicros(now)))
          .U64Be(static_cast<uint64_t>(absl::ToUnixMicros(now + lifetime_)))
          .Bytes(crypto::RandomString(kRandomBytes))
          .Take();
  KMS_ASSIGN_OR_RETURN(const std::string mac, Mac(version, AsBytes(bytes)));
  return Challenge{absl::StrCat(bytes, mac), now + lifetime_};
}

absl::StatusOr<absl::Time> ChallengeKeeper::Check(BytesView challenge,
                                                  absl::Time now) const {
  if (challenge.size() != kChallengeBytes) {
    return Invalid(
        absl::StrCat(challenge.size(), " bytes, want ", kChallengeBytes));
  }
  ByteReader reader(challenge);
  const uint8_t format = reader.U8();
  const uint32_t key_version = reader.U32Be();
  const uint64_t issued_us = reader.U64Be();
  const uint64_t expires_us = reader.U64Be();
  reader.Bytes(kRandomBytes);
  const BytesView mac = reader.Bytes(kMacBytes);
  if (format != kFormat) return Invalid("unknown format");

  // An unknown key version is not told apart from a bad MAC: both mean that
  // this cluster and epoch did not issue it.
  const absl::StatusOr<std::string> want =
      Mac(key_version, challenge.subspan(0, kChallengeBytes - kMacBytes));
  if (!want.ok() || !ConstantTimeEqual(AsBytes(*want), mac)) {
    return Invalid("not issued by this cluster; ask for a new one");
  }
  const absl::Time issued =
      absl::FromUnixMicros(static_cast<int64_t>(issued_us));
  if (issued > now + kChallengeSkewMax) {
    return Refuse(v1::CHALLENGE_EXPIRED,
                  "challenge: issued in the future; check the clocks");
  }
  const absl::Time expires =
      absl::FromUnixMicros(static_cast<int64_t>(expires_us));
  if (now >= expires) {
    return Refuse(v1::CHALLENGE_EXPIRED,
                  "challenge: expired; ask for a new one");
  }
  return expires;
}

}  // namespace kms::release
