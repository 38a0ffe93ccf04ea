#include "policy/nvidia/report.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/nvidia/limits.h"

namespace kms::nvidia {
namespace {

constexpr uint8_t kSpdmVersion = 0x11;
constexpr uint8_t kGetMeasurements = 0xe0;
constexpr uint8_t kMeasurements = 0x60;
constexpr uint8_t kSignatureRequested = 0x01;
constexpr uint8_t kAllMeasurements = 0xff;
constexpr uint8_t kDmtf = 0x01;
constexpr size_t kDmtfHeaderBytes = 3;
// Immutable ROM, mutable firmware, hardware configuration, firmware
// configuration, measurement manifest.
constexpr uint8_t kValueTypeMax = 4;
constexpr uint8_t kSlotMask = 0x0f;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("nvidia report: ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                absl::StrCat("nvidia report: ", fault));
}

template <size_t N>
void Read(ByteReader& reader, std::array<uint8_t, N>& out) {
  const BytesView bytes = reader.Bytes(N);
  if (!reader.failed()) std::copy(bytes.begin(), bytes.end(), out.begin());
}

uint32_t U24Le(ByteReader& reader) {
  const uint32_t low = reader.U16Le();
  return low | uint32_t{reader.U8()} << 16;
}

absl::Status ParseRequest(ByteReader& reader, UnverifiedReport& report) {
  const uint8_t version = reader.U8();
  const uint8_t code = reader.U8();
  const uint8_t attributes = reader.U8();
  const uint8_t operation = reader.U8();
  Read(reader, report.nonce);
  report.slot = reader.U8();
  if (reader.failed()) return Malformed("shorter than a request");
  if (version != kSpdmVersion) return Unsupported("request is not SPDM 1.1");
  if (code != kGetMeasurements) {
    return Malformed("does not begin with GET_MEASUREMENTS");
  }
  if (attributes == 0) {
    return Refuse(v1::EVIDENCE_UNSIGNED,
                  "nvidia report: the request asks for no signature");
  }
  if (attributes != kSignatureRequested) {
    return Malformed("a reserved attribute of the request is set");
  }
  if (operation != kAllMeasurements) {
    return Unsupported("the request is for less than all measurements");
  }
  if ((report.slot & ~kSlotMask) != 0) {
    return Malformed("reserved bits of the request's slot are set");
  }
  return absl::OkStatus();
}

// DSP0274 1.1.1, table "Measurement block": `index` is the one that must come.
absl::StatusOr<Measurement> ParseBlock(ByteReader& reader, size_t index) {
  const uint8_t have = reader.U8();
  const uint8_t specification = reader.U8();
  const size_t size = reader.U16Le();
  const uint8_t type = reader.U8();
  const size_t value_size = reader.U16Le();
  const BytesView value = reader.Bytes(value_size);
  if (reader.failed()) return Malformed("a measurement past its record's end");
  if (have != index) {
    return Malformed("measurements are not numbered 1, 2, 3 and so on");
  }
  if (specification != kDmtf || (type & 0x7f) > kValueTypeMax) {
    return Unsupported("a measurement of a kind that we do not know");
  }
  if (size != kDmtfHeaderBytes + value_size) {
    return Malformed("a measurement whose two lengths disagree");
  }
  if (value_size == 0 || value_size > kMeasurementBytesMax) {
    return Malformed(absl::StrCat("a measurement of ", value_size,
                                  " bytes, want 1 to ", kMeasurementBytesMax));
  }
  return Measurement{.type = type, .value = ToString(value)};
}

absl::Status ParseResponse(ByteReader& reader, UnverifiedReport& report) {
  const uint8_t version = reader.U8();
  const uint8_t code = reader.U8();
  reader.Zeros(1);
  const uint8_t slot = reader.U8();
  const size_t blocks = reader.U8();
  const BytesView record = reader.Bytes(U24Le(reader));
  Read(reader, report.response_nonce);
  const BytesView opaque = reader.Bytes(reader.U16Le());
  Read(reader, report.r);
  Read(reader, report.s);
  if (!reader.failed() && version != kSpdmVersion) {
    return Unsupported("response is not SPDM 1.1");
  }
  if (reader.failed() || reader.remaining() != 0 || code != kMeasurements) {
    return Malformed("not one whole MEASUREMENTS response");
  }
  if (slot != report.slot) {
    return Malformed("the response is of another slot than the request");
  }
  if (blocks == 0) return Malformed("no measurements");
  ByteReader record_reader(record);
  for (size_t i = 0; i < blocks; ++i) {
    KMS_ASSIGN_OR_RETURN(Measurement measurement,
                         ParseBlock(record_reader, i + 1));
    report.measurements.push_back(std::move(measurement));
  }
  if (record_reader.remaining() != 0) {
    return Malformed("bytes after the last measurement of the record");
  }
  KMS_ASSIGN_OR_RETURN(report.opaque, ParseOpaqueData(opaque));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UnverifiedReport> ParseReport(BytesView bytes) {
  UnverifiedReport report;
  ByteReader reader(bytes);
  KMS_RETURN_IF_ERROR(ParseRequest(reader, report));
  KMS_RETURN_IF_ERROR(ParseResponse(reader, report));
  report.signed_bytes = ToString(bytes.first(bytes.size() - kSignatureBytes));
  return report;
}

std::string SerializeReport(const UnverifiedReport& report) {
  ByteWriter record;
  for (size_t i = 0; i < report.measurements.size(); ++i) {
    const Measurement& measurement = report.measurements[i];
    const size_t size = measurement.value.size();
    record.U8(static_cast<uint8_t>(i + 1))
        .U8(kDmtf)
        .U16Le(static_cast<uint16_t>(kDmtfHeaderBytes + size))
        .U8(measurement.type)
        .U16Le(static_cast<uint16_t>(size))
        .Bytes(measurement.value);
  }
  const std::string opaque = SerializeOpaqueData(report.opaque);
  const uint32_t record_size = static_cast<uint32_t>(record.str().size());
  ByteWriter writer;
  writer.U8(kSpdmVersion)
      .U8(kGetMeasurements)
      .U8(kSignatureRequested)
      .U8(kAllMeasurements)
      .Bytes(BytesView(report.nonce))
      .U8(report.slot);
  writer.U8(kSpdmVersion)
      .U8(kMeasurements)
      .U8(0)
      .U8(report.slot)
      .U8(static_cast<uint8_t>(report.measurements.size()))
      .U16Le(static_cast<uint16_t>(record_size & 0xffff))
      .U8(static_cast<uint8_t>(record_size >> 16))
      .Bytes(record.str())
      .Bytes(BytesView(report.response_nonce))
      .U16Le(static_cast<uint16_t>(opaque.size()))
      .Bytes(opaque)
      .Bytes(BytesView(report.r))
      .Bytes(BytesView(report.s));
  return writer.Take();
}

}  // namespace kms::nvidia
