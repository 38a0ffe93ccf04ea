#include "policy/tpm/attest.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/tpm/algorithm.h"

namespace kms::tpm {
namespace {

// Part 2, TPM_GENERATED: a restricted key signs nothing from outside that
// starts with it.
constexpr uint32_t kMagic = 0xff544347;
constexpr uint16_t kTypeQuote = 0x8018;
constexpr uint8_t kSelectBytes = kPcrCount / 8;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("tpm quote: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat("tpm quote: ", fault));
}

std::string Sized(ByteReader& reader) {
  return ToString(reader.Bytes(reader.U16Be()));
}

// Part 1, "Names": the hash algorithm and the digest made with it.
absl::Status CheckName(const std::string& name) {
  ByteReader reader(AsBytes(name));
  const std::optional<crypto::Hash> hash = HashOf(reader.U16Be());
  if (reader.failed()) return Malformed("the signer has no name");
  if (!hash.has_value()) {
    return Unsupported("the signer's name is not by SHA-2");
  }
  if (reader.remaining() != crypto::HashSize(*hash)) {
    return Malformed("the signer's name is not of its hash's size");
  }
  return absl::OkStatus();
}

absl::Status ReadSelection(ByteReader& reader, UnverifiedQuote& quote) {
  const uint32_t banks = reader.U32Be();
  const uint16_t algorithm = reader.U16Be();
  const uint8_t size = reader.U8();
  if (reader.failed()) return Malformed("too short");
  if (banks != 1) return Unsupported(absl::StrCat(banks, " banks, want 1"));
  if (algorithm != kAlgSha256 && algorithm != kAlgSha384) {
    return Unsupported("a bank that is neither SHA-256 nor SHA-384");
  }
  quote.bank = *HashOf(algorithm);
  if (size != kSelectBytes) {
    return Unsupported(
        absl::StrCat("a selection of ", size, " bytes, want ", kSelectBytes));
  }
  // The first byte selects PCRs 0 to 7, from its lowest bit.
  for (int i = 0; i < kSelectBytes; ++i) {
    quote.selected |= static_cast<uint32_t>(reader.U8()) << (8 * i);
  }
  if (reader.failed()) return Malformed("too short");
  if (quote.selected == 0) return Malformed("no PCR selected");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnverifiedQuote> ParseAttest(BytesView bytes) {
  if (bytes.size() > kAttestBytesMax) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want at most ", kAttestBytesMax));
  }
  ByteReader reader(bytes);
  const uint32_t magic = reader.U32Be();
  const uint16_t type = reader.U16Be();
  if (reader.failed()) return Malformed("too short");
  if (magic != kMagic) return Malformed("not made inside a TPM");
  if (type != kTypeQuote) {
    return Unsupported("another kind of attestation than a quote");
  }
  UnverifiedQuote quote;
  quote.qualified_signer = Sized(reader);
  quote.extra_data = Sized(reader);
  quote.clock_ms = reader.U64Be();
  quote.reset_count = reader.U32Be();
  quote.restart_count = reader.U32Be();
  const uint8_t safe = reader.U8();
  quote.firmware_version = reader.U64Be();
  if (reader.failed()) return Malformed("too short");
  KMS_RETURN_IF_ERROR(CheckName(quote.qualified_signer));
  if (quote.extra_data.size() > kExtraDataBytesMax) {
    return Malformed(absl::StrCat("a nonce of ", quote.extra_data.size(),
                                  " bytes, want at most ", kExtraDataBytesMax));
  }
  if (safe > 1) return Malformed("the clock's flag is neither yes nor no");
  quote.clock_safe = safe == 1;
  KMS_RETURN_IF_ERROR(ReadSelection(reader, quote));
  quote.pcr_digest = Sized(reader);
  if (!reader.Finish("").ok()) return Malformed("of another length");
  quote.signed_bytes = ToString(bytes);
  return quote;
}

std::string SerializeAttest(const UnverifiedQuote& quote) {
  ByteWriter out;
  const auto sized = [&out](const std::string& bytes) {
    out.U16Be(static_cast<uint16_t>(bytes.size())).Bytes(bytes);
  };
  out.U32Be(kMagic).U16Be(kTypeQuote);
  sized(quote.qualified_signer);
  sized(quote.extra_data);
  out.U64Be(quote.clock_ms).U32Be(quote.reset_count);
  out.U32Be(quote.restart_count).U8(quote.clock_safe ? 1 : 0);
  out.U64Be(quote.firmware_version);
  out.U32Be(1).U16Be(AlgorithmOf(quote.bank)).U8(kSelectBytes);
  for (int i = 0; i < kSelectBytes; ++i) {
    out.U8(static_cast<uint8_t>(quote.selected >> (8 * i) & 0xff));
  }
  sized(quote.pcr_digest);
  return out.Take();
}

}  // namespace kms::tpm
