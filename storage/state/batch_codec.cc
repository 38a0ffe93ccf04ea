#include "storage/state/batch_codec.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/status.h"

namespace kms::storage {
namespace {

constexpr absl::string_view kEntryAad = "kms.v1 log entry";

size_t PaddedSize(size_t signed_size) {
  const size_t sealed =
      std::bit_ceil(signed_size + sizeof(uint32_t) + kEnvelopeOverhead);
  return std::max(sealed, kSealedBatchBytesMin) - kEnvelopeOverhead;
}

}  // namespace

std::string BatchSigningInput(absl::string_view batch) {
  return ByteWriter().Bytes("kms.v1 batch").U8(0).Bytes(batch).Take();
}

std::string ApprovalSigningInput(absl::string_view cluster_id,
                                 absl::string_view command) {
  return ByteWriter()
      .Bytes("kms.v1 approval")
      .U8(0)
      .Bytes(cluster_id)
      .Bytes(command)
      .Take();
}

absl::StatusOr<std::string> PadBatch(absl::string_view signed_batch) {
  if (signed_batch.size() > kSignedBatchBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("batch: ", signed_batch.size(), " bytes, want at most ",
                     kSignedBatchBytesMax));
  }
  std::string padded = ByteWriter()
                           .U32Le(static_cast<uint32_t>(signed_batch.size()))
                           .Bytes(signed_batch)
                           .Take();
  padded.resize(PaddedSize(signed_batch.size()));
  return padded;
}

absl::StatusOr<absl::string_view> UnpadBatch(absl::string_view padded) {
  ByteReader reader(AsBytes(padded));
  const uint32_t size = reader.U32Le();
  const BytesView signed_batch = reader.Bytes(size);
  reader.Zeros(reader.remaining());
  if (size > kSignedBatchBytesMax || padded.size() != PaddedSize(size)) {
    reader.Fail();
  }
  KMS_RETURN_IF_ERROR(reader.Finish("padded batch"));
  return AsStringView(signed_batch);
}

absl::StatusOr<std::string> SealBatch(const Envelope& envelope,
                                      const crypto::Ed25519SigningKey& key,
                                      const ::storage::v1::Batch& batch) {
  ::storage::v1::SignedBatch message;
  message.set_batch(batch.SerializeAsString());
  message.set_signature(key.Sign(BatchSigningInput(message.batch())));
  KMS_ASSIGN_OR_RETURN(const std::string padded,
                       PadBatch(message.SerializeAsString()));
  return envelope.Seal(KeyKind::kLog, AsBytes(padded), AsBytes(kEntryAad));
}

absl::StatusOr<std::string> OpenEntry(const Envelope& envelope,
                                      absl::string_view sealed) {
  return envelope.Open(KeyKind::kLog, AsBytes(sealed), AsBytes(kEntryAad));
}

bool HasUnknown(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!reflection.GetUnknownFields(message).empty()) return true;
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const bool is_enum = field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    if (!is_enum && field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    const bool repeated = field->is_repeated();
    const int count = repeated ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (is_enum) {
        const int value =
            repeated ? reflection.GetRepeatedEnumValue(message, field, i)
                     : reflection.GetEnumValue(message, field);
        if (field->enum_type()->FindValueByNumber(value) == nullptr) {
          return true;
        }
      } else if (HasUnknown(
                     repeated ? reflection.GetRepeatedMessage(message, field, i)
                              : reflection.GetMessage(message, field))) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace kms::storage
