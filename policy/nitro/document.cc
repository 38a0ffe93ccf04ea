#include "policy/nitro/document.h"

#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cbor/item.h"
#include "policy/cbor/writer.h"
#include "policy/nitro/limits.h"

namespace kms::nitro {
namespace {

using cbor::Item;

constexpr char kSubject[] = "nitro document";
constexpr char kDigest[] = "SHA384";

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat(kSubject, ": ", fault));
}
absl::Status Unsupported(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_UNSUPPORTED, absl::StrCat(kSubject, ": ", fault));
}

absl::Status ReadBytes(absl::string_view name, const Item& item,
                       size_t size_min, size_t size_max, std::string& out) {
  const auto bytes = item.Bytes();
  if (!bytes.has_value() || bytes->size() < size_min ||
      bytes->size() > size_max) {
    return Malformed(
        absl::StrCat(name, ", want ", size_min, " to ", size_max, " bytes"));
  }
  out = ToString(*bytes);
  return absl::OkStatus();
}

absl::Status ReadOptional(absl::string_view name, const Item& item,
                          size_t size_min, size_t size_max, std::string& out) {
  if (item.null()) return absl::OkStatus();
  return ReadBytes(name, item, size_min, size_max, out);
}

absl::Status ReadModuleId(const Item& item, UnverifiedDocument& document) {
  const auto text = item.Text();
  if (!text.has_value() || text->empty() || text->size() > kModuleIdBytesMax) {
    return Malformed("module_id, want a text");
  }
  document.module_id = std::string(*text);
  return absl::OkStatus();
}

absl::Status ReadTimestamp(const Item& item, UnverifiedDocument& document) {
  const auto number = item.Integer();
  if (!number.has_value() || *number <= 0) {
    return Malformed("timestamp, want a number above 0");
  }
  document.timestamp_ms = *number;
  return absl::OkStatus();
}

absl::Status CheckDigest(const Item& item) {
  const auto text = item.Text();
  if (!text.has_value()) return Malformed("digest, want a text");
  if (*text != kDigest) return Unsupported("digest, want SHA384");
  return absl::OkStatus();
}

absl::Status ReadPcrs(const Item& item, UnverifiedDocument& document) {
  if (item.type() != cbor::Type::kMap) return Malformed("pcrs, want a map");
  for (size_t i = 0; i < item.items().size(); i += 2) {
    const auto index = item.items()[i].Unsigned();
    if (!index.has_value() || *index > kPcrIndexMax) {
      return Malformed("a PCR's index, want 0 to 31");
    }
    // AWS leaves room for 32 and 64 bytes, of digests that there are not.
    KMS_RETURN_IF_ERROR(
        ReadBytes("a PCR", item.items()[i + 1], kPcrBytes, kPcrBytes,
                  document.pcrs[static_cast<uint32_t>(*index)]));
  }
  // Without them nobody could tell an enclave in debug mode.
  for (const uint32_t index : {0, 1, 2}) {
    if (document.pcrs.count(index) == 0) {
      return Malformed(absl::StrCat("no PCR", index));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadCaBundle(const Item& item, UnverifiedDocument& document) {
  if (item.type() != cbor::Type::kArray || item.items().empty() ||
      item.items().size() > kCaBundleMax) {
    return Malformed(
        absl::StrCat("cabundle, want an array of 1 to ", kCaBundleMax));
  }
  for (const Item& certificate : item.items()) {
    KMS_RETURN_IF_ERROR(ReadBytes("a certificate in cabundle", certificate, 1,
                                  kCertificateBytesMax,
                                  document.cabundle.emplace_back()));
  }
  return absl::OkStatus();
}

absl::Status ReadField(absl::string_view name, const Item& value,
                       UnverifiedDocument& document) {
  if (name == "module_id") return ReadModuleId(value, document);
  if (name == "digest") return CheckDigest(value);
  if (name == "timestamp") return ReadTimestamp(value, document);
  if (name == "pcrs") return ReadPcrs(value, document);
  if (name == "certificate") {
    return ReadBytes(name, value, 1, kCertificateBytesMax,
                     document.certificate);
  }
  if (name == "cabundle") return ReadCaBundle(value, document);
  if (name == "public_key") {
    return ReadOptional(name, value, 1, kPublicKeyBytesMax,
                        document.public_key);
  }
  if (name == "user_data") {
    return ReadOptional(name, value, 0, kUserDataBytesMax, document.user_data);
  }
  if (name == "nonce") {
    return ReadOptional(name, value, 0, kNonceBytesMax, document.nonce);
  }
  return Unsupported("a field that no enclave's document has");
}

}  // namespace

absl::StatusOr<cbor::Sign1> ParseEnvelope(BytesView file) {
  KMS_ASSIGN_OR_RETURN(
      const cbor::Sign1 envelope,
      cbor::ParseSign1(file, cbor::Tagging::kOptional, kSubject));
  if (envelope.algorithm != cbor::Algorithm::kEs384) {
    return Unsupported("algorithm, want ES384");
  }
  if (envelope.has_unprotected) return Malformed("headers that nobody signed");
  return envelope;
}

absl::StatusOr<UnverifiedDocument> ParseDocument(BytesView payload) {
  if (payload.size() > kPayloadBytesMax) {
    return Malformed(absl::StrCat(payload.size(), " bytes, want at most ",
                                  kPayloadBytesMax));
  }
  KMS_ASSIGN_OR_RETURN(
      const Item map,
      cbor::Parse(payload, {.indefinite_containers = true}, kSubject));
  if (map.type() != cbor::Type::kMap) return Malformed("no map");
  for (const absl::string_view name : {"module_id", "digest", "timestamp",
                                       "pcrs", "certificate", "cabundle"}) {
    if (map.Find(name) == nullptr) {
      return Malformed(absl::StrCat("no ", name));
    }
  }
  UnverifiedDocument document;
  for (size_t i = 0; i < map.items().size(); i += 2) {
    const auto name = map.items()[i].Text();
    if (!name.has_value()) return Malformed("a key that is no text");
    KMS_RETURN_IF_ERROR(ReadField(*name, map.items()[i + 1], document));
  }
  return document;
}

std::string EncodeDocument(const UnverifiedDocument& document) {
  cbor::Writer out;
  out.Map(9);
  out.Text("module_id").Text(document.module_id);
  out.Text("digest").Text(kDigest);
  out.Text("timestamp").Integer(document.timestamp_ms);
  out.Text("pcrs").Map(document.pcrs.size());
  for (const auto& [index, value] : document.pcrs) {
    out.Unsigned(index).Bytes(value);
  }
  out.Text("certificate").Bytes(document.certificate);
  out.Text("cabundle").Array(document.cabundle.size());
  for (const std::string& certificate : document.cabundle) {
    out.Bytes(certificate);
  }
  const auto optional = [&out](absl::string_view name,
                               const std::string& value) {
    out.Text(name);
    if (value.empty()) {
      out.Null();
    } else {
      out.Bytes(value);
    }
  };
  optional("public_key", document.public_key);
  optional("user_data", document.user_data);
  optional("nonce", document.nonce);
  return out.Take();
}

}  // namespace kms::nitro
