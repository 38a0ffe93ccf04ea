#include "kms/weights/file_keys.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_writer.h"
#include "kms/base/secret_access.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "kms/crypto/gcm.h"
#include "kms/crypto/hkdf.h"
#include "kms/crypto/hmac.h"
#include "kms/weights/limits.h"

namespace kms::weights {
namespace {

using Nonce = std::array<uint8_t, crypto::kGcmNonceSize>;

Nonce NonceOf(uint64_t index, bool last, const Entry& entry) {
  static_assert(kNoncePrefixSize + 4 + 1 == crypto::kGcmNonceSize);
  static_assert(kSegmentCountMax <= uint64_t{1} << 32,
                "an index beyond its field would repeat a nonce");
  Nonce nonce;
  auto out = std::copy(entry.nonce_prefix.begin(), entry.nonce_prefix.end(),
                       nonce.begin());
  for (int shift = 24; shift >= 0; shift -= 8) {
    *out++ = static_cast<uint8_t>(index >> shift);
  }
  *out = last ? 1 : 0;
  return nonce;
}

absl::StatusOr<Secret> Expand(const Secret& prk, absl::string_view label,
                              const std::string& prefix) {
  return crypto::HkdfExpand(
      crypto::Hash::kSha256, prk,
      AsBytes(ByteWriter().Field(label).Field(prefix).str()),
      crypto::kAesKeySize);
}

}  // namespace

absl::StatusOr<FileKeys> FileKeys::Derive(const Secret& data_key,
                                          const Header& header) {
  if (data_key.size() < kDataKeySizeMin || data_key.size() > kDataKeySizeMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("data key: ", data_key.size(), " bytes, want ",
                     kDataKeySizeMin, " to ", kDataKeySizeMax));
  }
  const std::string prefix = EncodeHeaderPrefix(header);
  KMS_ASSIGN_OR_RETURN(
      const Secret prk,
      crypto::HkdfExtract(crypto::Hash::kSha256, header.salt, data_key));
  KMS_ASSIGN_OR_RETURN(Secret segment_key,
                       Expand(prk, "kms.v1 weights segment", prefix));
  KMS_ASSIGN_OR_RETURN(Secret header_key,
                       Expand(prk, "kms.v1 weights header", prefix));
  return FileKeys(std::move(segment_key), std::move(header_key));
}

absl::StatusOr<std::string> FileKeys::HeaderTag(const Header& header) const {
  return crypto::HmacSha256(header_key_, AsBytes(EncodeTaggedHeader(header)));
}

absl::Status FileKeys::CheckHeaderTag(const Header& header) const {
  KMS_ASSIGN_OR_RETURN(const std::string tag, HeaderTag(header));
  if (ConstantTimeEqual(AsBytes(tag), header.tag)) return absl::OkStatus();
  return absl::UnauthenticatedError(
      "weights header: does not authenticate: another key than the one it was "
      "encrypted with, or an altered header");
}

void FileKeys::Seal(uint64_t index, bool last, BytesView plaintext,
                    absl::Span<uint8_t> ciphertext, Entry& entry) const {
  crypto::GcmSealDetached(segment_key_.Expose(GrantSecretAccess()),
                          NonceOf(index, last, entry), plaintext,
                          /*aad=*/{}, ciphertext, absl::MakeSpan(entry.tag));
  const std::string digest = crypto::Sha256(ciphertext);
  std::copy(digest.begin(), digest.end(), entry.digest.begin());
}

bool FileKeys::Open(uint64_t index, bool last, const Entry& entry,
                    BytesView ciphertext, absl::Span<uint8_t> plaintext) const {
  return crypto::GcmOpenDetached(segment_key_.Expose(GrantSecretAccess()),
                                 NonceOf(index, last, entry), ciphertext,
                                 entry.tag, /*aad=*/{}, plaintext);
}

}  // namespace kms::weights
