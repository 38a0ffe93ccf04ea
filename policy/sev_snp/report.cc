#include "policy/sev_snp/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"

namespace kms::sev_snp {
namespace {

constexpr uint32_t kVersionMin = 2;
constexpr uint32_t kVersionMax = 5;
constexpr uint32_t kVersionWithCpuid = 3;
constexpr uint32_t kVersionWithMitVectors = 5;
constexpr uint32_t kAlgoEcdsaP384Sha384 = 1;
constexpr uint32_t kVmplMax = 3;
constexpr uint32_t kVmplHost = 0xffffffff;  // SNP_HOST report, AMD 56860.
constexpr size_t kSignatureFieldBytes = 72;
constexpr size_t kSignatureZeroBytes = 512 - 2 * kSignatureFieldBytes;
constexpr size_t kMitVectorsOffsetZeros = 152;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED,
                absl::StrCat("sev_snp report: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat("sev_snp report: ", fault));
}
absl::Status Unsigned(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSIGNED, absl::StrCat("sev_snp report: ", fault));
}

template <size_t N>
void Read(ByteReader& reader, std::array<uint8_t, N>& field) {
  const BytesView bytes = reader.Bytes(N);
  std::copy(bytes.begin(), bytes.end(), field.begin());
}

FirmwareVersion ReadFirmware(ByteReader& reader) {
  FirmwareVersion version;
  version.build = reader.U8();
  version.minor = reader.U8();
  version.major = reader.U8();
  reader.Zeros(1);
  return version;
}

// A 72-byte little-endian field whose upper 24 bytes must be zero.
void ReadScalar(ByteReader& reader, std::array<uint8_t, 48>& scalar) {
  Read(reader, scalar);
  std::reverse(scalar.begin(), scalar.end());
  reader.Zeros(kSignatureFieldBytes - scalar.size());
}

void WriteFirmware(ByteWriter& writer, const FirmwareVersion& version) {
  writer.U8(version.build).U8(version.minor).U8(version.major).U8(0);
}

void WriteScalar(ByteWriter& writer, std::array<uint8_t, 48> scalar) {
  std::reverse(scalar.begin(), scalar.end());
  writer.Bytes(BytesView(scalar));
  writer.Bytes(std::string(kSignatureFieldBytes - scalar.size(), '\0'));
}

absl::Status CheckFields(const UnverifiedReport& report, uint32_t algorithm,
                         uint32_t flags) {
  if ((report.policy & kPolicyMustBeOne) == 0) {
    return Malformed("policy bit 17 is clear, want set");
  }
  if ((report.policy & ~kPolicyKnown) != 0) {
    return Unsupported("a policy bit above 25 is set");
  }
  if ((report.platform_info & ~kPlatformKnown) != 0) {
    return Unsupported("a platform_info bit above 7 is set");
  }
  if (report.vmpl > kVmplMax && report.vmpl != kVmplHost) {
    return Malformed("vmpl is above 3");
  }
  if (algorithm != kAlgoEcdsaP384Sha384) {
    return Unsupported(
        absl::StrCat("signature algorithm ", algorithm, ", want 1"));
  }
  if ((flags >> (kFlagSigningKeyShift + 3)) != 0) {
    return Malformed("a reserved flag bit is set");
  }
  // With MASK_CHIP_KEY the firmware writes zeros where the signature goes.
  if ((flags & kFlagMaskChipKey) != 0) return Unsigned("chip key is masked");
  const uint32_t key = flags >> kFlagSigningKeyShift & 7;
  if (key == kSigningKeyNone) return Unsigned("signing key is none");
  if (key > static_cast<uint32_t>(SigningKey::kVlek)) {
    return Unsupported(absl::StrCat("signing key ", key, ", want 0 or 1"));
  }
  if (AllZero(BytesView(report.r)) || AllZero(BytesView(report.s))) {
    return Unsigned("the signature is zero");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnverifiedReport> ParseReport(BytesView bytes) {
  if (bytes.size() != kReportBytes) {
    return Malformed(absl::StrCat(bytes.size(), " bytes, want ", kReportBytes));
  }
  ByteReader reader(bytes);
  UnverifiedReport report;
  report.signed_bytes = ToString(bytes.first(kSignedBytes));
  report.version = reader.U32Le();
  if (report.version < kVersionMin || report.version > kVersionMax) {
    return Unsupported(absl::StrCat("version ", report.version, ", want ",
                                    kVersionMin, " to ", kVersionMax));
  }
  report.guest_svn = reader.U32Le();
  report.policy = reader.U64Le();
  Read(reader, report.family_id);
  Read(reader, report.image_id);
  report.vmpl = reader.U32Le();
  const uint32_t algorithm = reader.U32Le();
  Read(reader, report.current_tcb);
  report.platform_info = reader.U64Le();
  const uint32_t flags = reader.U32Le();
  reader.Zeros(4);
  Read(reader, report.report_data);
  Read(reader, report.measurement);
  Read(reader, report.host_data);
  Read(reader, report.id_key_digest);
  Read(reader, report.author_key_digest);
  Read(reader, report.report_id);
  Read(reader, report.report_id_ma);
  Read(reader, report.reported_tcb);
  if (report.version >= kVersionWithCpuid) {
    Read(reader, report.cpuid);
  } else {
    reader.Zeros(report.cpuid.size());
  }
  reader.Zeros(21);
  Read(reader, report.chip_id);
  Read(reader, report.committed_tcb);
  report.current_firmware = ReadFirmware(reader);
  report.committed_firmware = ReadFirmware(reader);
  Read(reader, report.launch_tcb);
  if (report.version >= kVersionWithMitVectors) {
    report.launch_mit_vector = reader.U64Le();
    report.current_mit_vector = reader.U64Le();
  } else {
    reader.Zeros(16);
  }
  reader.Zeros(kMitVectorsOffsetZeros);
  ReadScalar(reader, report.r);
  ReadScalar(reader, report.s);
  reader.Zeros(kSignatureZeroBytes);
  if (!reader.Finish("").ok()) return Malformed("a reserved byte is set");
  report.author_key_en = (flags & kFlagAuthorKeyEn) != 0;
  report.signing_key =
      static_cast<SigningKey>(flags >> kFlagSigningKeyShift & 7);
  KMS_RETURN_IF_ERROR(CheckFields(report, algorithm, flags));
  return report;
}

std::string SerializeReport(const UnverifiedReport& report) {
  ByteWriter out;
  const uint32_t flags = (report.author_key_en ? kFlagAuthorKeyEn : 0) |
                         static_cast<uint32_t>(report.signing_key)
                             << kFlagSigningKeyShift;
  out.U32Le(report.version).U32Le(report.guest_svn).U64Le(report.policy);
  out.Bytes(BytesView(report.family_id)).Bytes(BytesView(report.image_id));
  out.U32Le(report.vmpl).U32Le(kAlgoEcdsaP384Sha384);
  out.Bytes(BytesView(report.current_tcb)).U64Le(report.platform_info);
  out.U32Le(flags).U32Le(0);
  out.Bytes(BytesView(report.report_data));
  out.Bytes(BytesView(report.measurement));
  out.Bytes(BytesView(report.host_data));
  out.Bytes(BytesView(report.id_key_digest));
  out.Bytes(BytesView(report.author_key_digest));
  out.Bytes(BytesView(report.report_id));
  out.Bytes(BytesView(report.report_id_ma));
  out.Bytes(BytesView(report.reported_tcb));
  out.Bytes(BytesView(report.cpuid)).Bytes(std::string(21, '\0'));
  out.Bytes(BytesView(report.chip_id));
  out.Bytes(BytesView(report.committed_tcb));
  WriteFirmware(out, report.current_firmware);
  WriteFirmware(out, report.committed_firmware);
  out.Bytes(BytesView(report.launch_tcb));
  out.U64Le(report.launch_mit_vector).U64Le(report.current_mit_vector);
  out.Bytes(std::string(kMitVectorsOffsetZeros, '\0'));
  WriteScalar(out, report.r);
  WriteScalar(out, report.s);
  out.Bytes(std::string(kSignatureZeroBytes, '\0'));
  return out.Take();
}

}  // namespace kms::sev_snp
