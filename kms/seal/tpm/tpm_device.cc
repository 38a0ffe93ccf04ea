#include "kms/seal/tpm/tpm_device.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kms/base/byte_reader.h"
#include "kms/base/byte_writer.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/seal/limits.h"
#include "kms/seal/tpm/tpm.h"

namespace kms::seal {
namespace {

constexpr uint8_t kFormat = 1;
constexpr size_t kNameBytes = 34;  // TPM_ALG_ID and SHA-256.

struct Wrapped {
  std::vector<uint32_t> pcrs;
  std::vector<std::string> values;
  std::string root_key_name;
  TpmBlob blob;
};

std::string Encode(const Wrapped& wrapped) {
  uint32_t bits = 0;
  for (const uint32_t pcr : wrapped.pcrs) bits |= 1u << pcr;
  ByteWriter writer;
  writer.U8(kFormat).U32Be(bits);
  for (const std::string& value : wrapped.values) writer.Bytes(value);
  writer.Bytes(wrapped.root_key_name);
  for (const std::string* area :
       {&wrapped.blob.public_area, &wrapped.blob.private_area}) {
    writer.U16Be(static_cast<uint16_t>(area->size())).Bytes(*area);
  }
  return writer.Take();
}

absl::StatusOr<Wrapped> Decode(BytesView bytes) {
  ByteReader reader(bytes);
  const uint8_t format = reader.U8();
  const uint32_t bits = reader.U32Be();
  Wrapped wrapped;
  for (uint32_t pcr = 0; pcr < kPcrsMax; ++pcr) {
    if ((bits >> pcr & 1) == 0) continue;
    wrapped.pcrs.push_back(pcr);
    wrapped.values.push_back(ToString(reader.Bytes(kPcrBytes)));
  }
  wrapped.root_key_name = ToString(reader.Bytes(kNameBytes));
  for (std::string* area :
       {&wrapped.blob.public_area, &wrapped.blob.private_area}) {
    const size_t size = reader.U16Be();
    *area = ToString(reader.Bytes(size));
  }
  if (!reader.Finish("tpm seal").ok() || format != kFormat ||
      bits >> kPcrsMax != 0 || bits == 0) {
    return Refuse(v1::DATA_LOSS,
                  "seal file: its wrapped root key is not a TPM's");
  }
  return wrapped;
}

absl::Status CheckPcrs(const Tpm& tpm, const Wrapped& wrapped) {
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> now,
                       tpm.ReadPcrs(wrapped.pcrs));
  std::vector<uint32_t> changed;
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] != wrapped.values[i]) changed.push_back(wrapped.pcrs[i]);
  }
  if (changed.empty()) return absl::OkStatus();
  return Refuse(
      v1::SEAL_PCRS_CHANGED,
      absl::StrCat("tpm: PCR ", absl::StrJoin(changed, ", "),
                   " changed since the root key was sealed; boot as then"));
}

// The storage root key, if it is the one of that name.
absl::StatusOr<TpmHandle> KnownRootKey(const Tpm& tpm,
                                       const std::string& name) {
  KMS_ASSIGN_OR_RETURN(TpmHandle root_key, tpm.StorageRootKey());
  KMS_ASSIGN_OR_RETURN(const std::string found, tpm.NameOf(root_key));
  if (found == name) return root_key;
  return Refuse(v1::SEAL_KEY_REJECTED,
                "tpm: its storage root key is not the one that the root key "
                "was sealed under: another TPM, or one that was cleared");
}

absl::StatusOr<Secret> UnwrapFrom(const Tpm& tpm, const Wrapped& wrapped) {
  KMS_RETURN_IF_ERROR(CheckPcrs(tpm, wrapped));
  KMS_ASSIGN_OR_RETURN(const TpmHandle root_key,
                       KnownRootKey(tpm, wrapped.root_key_name));
  KMS_ASSIGN_OR_RETURN(Secret root,
                       tpm.Unseal(root_key, wrapped.blob, wrapped.pcrs));
  if (root.size() != kRootKeyBytes) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "tpm: what it unsealed is no root key");
  }
  return root;
}

absl::StatusOr<Wrapped> WrapIn(const Tpm& tpm, const TpmOptions& options,
                               const Secret& root) {
  Wrapped wrapped;
  wrapped.pcrs = options.pcrs;
  KMS_ASSIGN_OR_RETURN(wrapped.values, tpm.ReadPcrs(options.pcrs));
  KMS_ASSIGN_OR_RETURN(const TpmHandle root_key, tpm.StorageRootKey());
  KMS_ASSIGN_OR_RETURN(wrapped.root_key_name, tpm.NameOf(root_key));
  KMS_ASSIGN_OR_RETURN(
      wrapped.blob,
      tpm.Seal(root_key, root, PcrPolicy(options.pcrs, wrapped.values)));
  return wrapped;
}

}  // namespace

TpmDevice::TpmDevice(TpmOptions options) : options_(std::move(options)) {}

absl::StatusOr<std::string> TpmDevice::Wrap(const Secret& root) const {
  KMS_ASSIGN_OR_RETURN(const std::unique_ptr<Tpm> tpm,
                       Tpm::Open(options_.tcti));
  KMS_ASSIGN_OR_RETURN(const Wrapped wrapped, WrapIn(*tpm, options_, root));
  KMS_ASSIGN_OR_RETURN(const Secret again, UnwrapFrom(*tpm, wrapped));
  if (!(again == root)) {
    return Refuse(v1::SEAL_KEY_REJECTED,
                  "tpm: what it sealed comes back as another");
  }
  return Encode(wrapped);
}

absl::StatusOr<Secret> TpmDevice::Unwrap(BytesView wrapped) const {
  KMS_ASSIGN_OR_RETURN(const Wrapped parts, Decode(wrapped));
  KMS_ASSIGN_OR_RETURN(const std::unique_ptr<Tpm> tpm,
                       Tpm::Open(options_.tcti));
  return UnwrapFrom(*tpm, parts);
}

}  // namespace kms::seal
