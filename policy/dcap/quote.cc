#include "policy/dcap/quote.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::dcap {
namespace {

constexpr uint16_t kVersionSgx = 3;
constexpr uint16_t kVersionWithDescriptor = 5;
constexpr uint16_t kKeyTypeEcdsaP256 = 2;
constexpr uint32_t kTeeSgx = 0;
constexpr uint32_t kTeeTdx = 0x81;
constexpr uint8_t kIntelVendorId[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c,
                                        0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3,
                                        0x95, 0x7f, 0x06, 0x07};
constexpr uint16_t kBodyTd10 = 2;
constexpr uint16_t kBodyTd15 = 3;
constexpr uint16_t kDataPckChain = 5;
constexpr uint16_t kDataQeReport = 6;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("dcap quote: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat("dcap quote: ", fault));
}

template <size_t N>
void Read(ByteReader& reader, std::array<uint8_t, N>& field) {
  const BytesView bytes = reader.Bytes(N);
  std::copy(bytes.begin(), bytes.end(), field.begin());
}

absl::Status ReadHeader(ByteReader& reader, UnverifiedQuote& quote) {
  quote.version = reader.U16Le();
  const uint16_t key_type = reader.U16Le();
  const uint32_t tee = reader.U32Le();
  if (reader.failed()) return Malformed("cut short in the header");
  if (quote.version < kVersionSgx || quote.version > kVersionWithDescriptor) {
    return Unsupported(
        absl::StrCat("version ", quote.version, ", want 3, 4 or 5"));
  }
  if (key_type != kKeyTypeEcdsaP256) {
    return Unsupported(absl::StrCat("key type ", key_type, ", want 2"));
  }
  const bool sgx = quote.version == kVersionSgx;
  if (tee != (sgx ? kTeeSgx : kTeeTdx)) {
    return Unsupported(absl::StrCat("TEE type ", tee, " in version ",
                                    quote.version, ", want ",
                                    sgx ? kTeeSgx : kTeeTdx));
  }
  quote.tee = sgx ? TeeKind::kSgx : TeeKind::kTdx;
  if (sgx) {
    quote.qe_svn = reader.U16Le();
    quote.pce_svn = reader.U16Le();
  } else {
    reader.Zeros(4);
  }
  const BytesView vendor = reader.Bytes(sizeof kIntelVendorId);
  Read(reader, quote.user_data);
  if (reader.failed()) {
    return Malformed("cut short in the header, or a reserved byte is set");
  }
  if (vendor != BytesView(kIntelVendorId)) {
    return Malformed("the quoting enclave is not Intel's");
  }
  return absl::OkStatus();
}

absl::StatusOr<size_t> ReadBodySize(ByteReader& reader,
                                    const UnverifiedQuote& quote) {
  if (quote.tee == TeeKind::kSgx) return kSgxReportBytes;
  if (quote.version < kVersionWithDescriptor) return kTdReport10Bytes;
  const uint16_t type = reader.U16Le();
  const uint32_t size = reader.U32Le();
  if (reader.failed()) return Malformed("cut short in the body's descriptor");
  if (type != kBodyTd10 && type != kBodyTd15) {
    return Unsupported(absl::StrCat("body type ", type, ", want 2 or 3"));
  }
  const size_t want = type == kBodyTd10 ? kTdReport10Bytes : kTdReport15Bytes;
  if (size != want) {
    return Malformed(
        absl::StrCat("body of ", size, " bytes, want ", want, " for its type"));
  }
  return want;
}

// The PCK chain is the only kind of certification data that proves anything by
// itself; all others name a platform whose certificate is elsewhere.
absl::Status ReadQe(ByteReader& reader, UnverifiedQuote& quote) {
  const BytesView report = reader.Bytes(kSgxReportBytes);
  Read(reader, quote.qe_report_signature);
  const uint16_t auth_size = reader.U16Le();
  const BytesView auth = reader.Bytes(auth_size);
  const uint16_t type = reader.U16Le();
  const uint32_t size = reader.U32Le();
  if (reader.failed()) return Malformed("cut short in the signature data");
  if (auth_size > kQeAuthDataBytesMax) {
    return Malformed(absl::StrCat("authentication data of ", auth_size,
                                  " bytes, want at most ",
                                  kQeAuthDataBytesMax));
  }
  if (type != kDataPckChain) {
    return Unsupported(
        absl::StrCat("certification data of type ", type, ", want 5"));
  }
  const BytesView chain = reader.Bytes(size);
  if (!reader.Finish("").ok()) {
    return Malformed("lengths in the signature data do not add up");
  }
  KMS_ASSIGN_OR_RETURN(quote.qe_report, ParseSgxReport(report));
  quote.qe_report_bytes = ToString(report);
  quote.qe_auth_data = ToString(auth);
  quote.pck_chain = ToString(chain);
  return absl::OkStatus();
}

absl::Status ReadSignature(BytesView bytes, UnverifiedQuote& quote) {
  ByteReader reader(bytes);
  Read(reader, quote.signature);
  Read(reader, quote.attestation_key);
  if (quote.tee == TeeKind::kSgx) return ReadQe(reader, quote);
  const uint16_t type = reader.U16Le();
  const uint32_t size = reader.U32Le();
  if (reader.failed()) return Malformed("cut short in the signature data");
  if (type != kDataQeReport) {
    return Unsupported(
        absl::StrCat("certification data of type ", type, ", want 6"));
  }
  if (size != reader.remaining()) {
    return Malformed("lengths in the signature data do not add up");
  }
  return ReadQe(reader, quote);
}

std::string SerializeQe(const UnverifiedQuote& quote) {
  ByteWriter out;
  out.Bytes(SerializeSgxReport(quote.qe_report));
  out.Bytes(BytesView(quote.qe_report_signature));
  out.U16Le(static_cast<uint16_t>(quote.qe_auth_data.size()));
  out.Bytes(quote.qe_auth_data);
  out.U16Le(kDataPckChain);
  out.U32Le(static_cast<uint32_t>(quote.pck_chain.size()));
  out.Bytes(quote.pck_chain);
  return out.Take();
}

}  // namespace

absl::StatusOr<UnverifiedQuote> ParseQuote(BytesView bytes) {
  if (bytes.size() > kQuoteBytesMax) {
    return Malformed(
        absl::StrCat(bytes.size(), " bytes, want at most ", kQuoteBytesMax));
  }
  ByteReader reader(bytes);
  UnverifiedQuote quote;
  KMS_RETURN_IF_ERROR(ReadHeader(reader, quote));
  KMS_ASSIGN_OR_RETURN(const size_t body_size, ReadBodySize(reader, quote));
  const BytesView body = reader.Bytes(body_size);
  if (reader.failed()) return Malformed("cut short in the body");
  quote.signed_bytes = ToString(bytes.first(bytes.size() - reader.remaining()));
  const uint32_t signature_size = reader.U32Le();
  const BytesView signature = reader.Bytes(signature_size);
  if (reader.failed()) return Malformed("cut short in the signature data");
  quote.rest = ToString(reader.Bytes(reader.remaining()));
  if (quote.tee == TeeKind::kSgx) {
    KMS_ASSIGN_OR_RETURN(quote.sgx, ParseSgxReport(body));
  } else {
    KMS_ASSIGN_OR_RETURN(quote.td, ParseTdReport(body));
  }
  KMS_RETURN_IF_ERROR(ReadSignature(signature, quote));
  return quote;
}

std::string SerializeSigned(const UnverifiedQuote& quote) {
  ByteWriter out;
  const bool sgx = quote.tee == TeeKind::kSgx;
  out.U16Le(quote.version).U16Le(kKeyTypeEcdsaP256);
  out.U32Le(sgx ? kTeeSgx : kTeeTdx);
  out.U16Le(quote.qe_svn).U16Le(quote.pce_svn);
  out.Bytes(BytesView(kIntelVendorId)).Bytes(BytesView(quote.user_data));
  const std::string body =
      sgx ? SerializeSgxReport(*quote.sgx) : SerializeTdReport(*quote.td);
  if (quote.version >= kVersionWithDescriptor) {
    out.U16Le(quote.td->is_15 ? kBodyTd15 : kBodyTd10);
    out.U32Le(static_cast<uint32_t>(body.size()));
  }
  return out.Bytes(body).Take();
}

std::string SerializeQuote(const UnverifiedQuote& quote) {
  const std::string qe = SerializeQe(quote);
  ByteWriter signature;
  signature.Bytes(BytesView(quote.signature));
  signature.Bytes(BytesView(quote.attestation_key));
  if (quote.tee == TeeKind::kTdx) {
    signature.U16Le(kDataQeReport);
    signature.U32Le(static_cast<uint32_t>(qe.size()));
  }
  signature.Bytes(qe);
  ByteWriter out;
  out.Bytes(SerializeSigned(quote));
  out.U32Le(static_cast<uint32_t>(signature.str().size()));
  out.Bytes(signature.str()).Bytes(quote.rest);
  return out.Take();
}

}  // namespace kms::dcap
