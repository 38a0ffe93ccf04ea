#include "policy/reference_values/corim.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cbor/cose.h"
#include "policy/cbor/item.h"
#include "policy/reference_values/limits.h"

namespace kms::reference_values {
namespace {

using cbor::Item;
using cbor::Type;

constexpr absl::string_view kSubject = "corim";
constexpr cbor::Rules kRules = {.depth_max = kCborDepthMax,
                                .items_max = kCborItemsMax};

constexpr uint64_t kTagEpochTime = 1;
constexpr uint64_t kTagCorim = 501;
constexpr uint64_t kTagComid = 506;
constexpr uint64_t kTagBytes = 560;

// COSE header labels: RFC 9052, table 3; RFC 9597; the draft's corim-meta.
constexpr int64_t kHeaderContentType = 3;
constexpr int64_t kHeaderCorimMeta = 8;
constexpr int64_t kHeaderCwtClaims = 15;
// CWT claims: RFC 8392.
constexpr int64_t kCwtExpires = 4;
constexpr int64_t kCwtNotBefore = 5;
constexpr int64_t kCwtIssuedAt = 6;

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::ENDORSEMENT_MALFORMED, absl::StrCat(kSubject, ": ", fault));
}

// The readers below it speak of Evidence.
absl::StatusOr<Item> ParseItem(BytesView bytes) {
  absl::StatusOr<Item> item = cbor::Parse(bytes, kRules, kSubject);
  if (!item.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, item.status().message());
  }
  return item;
}

// A map or array that must be there and hold something.
absl::StatusOr<const Item*> Want(const Item* item, Type type,
                                 absl::string_view what) {
  if (item == nullptr || item->type() != type || item->items().empty()) {
    return Malformed(absl::StrCat("no ", what));
  }
  return item;
}

// Seconds since 1970, bare in CWT claims and tagged elsewhere.
absl::StatusOr<std::optional<absl::Time>> ReadTime(const Item* item,
                                                   bool tagged) {
  if (item == nullptr) return std::optional<absl::Time>();
  const Item* number = !tagged                        ? item
                       : item->Tag() == kTagEpochTime ? &item->items()[0]
                                                      : nullptr;
  const auto seconds =
      number == nullptr ? std::optional<int64_t>() : number->Integer();
  // The end of the year 9999.
  if (!seconds.has_value() || *seconds < 1 || *seconds > 253'402'300'799) {
    return Malformed("a time that is not in whole seconds from 1970 on");
  }
  return std::optional<absl::Time>(absl::FromUnixSeconds(*seconds));
}

// The narrower of what `file` has and the two times say.
absl::Status Narrow(const Item* not_before, const Item* not_after, bool tagged,
                    ReferenceFile& file) {
  KMS_ASSIGN_OR_RETURN(const auto from, ReadTime(not_before, tagged));
  KMS_ASSIGN_OR_RETURN(const auto until, ReadTime(not_after, tagged));
  if (from.has_value() &&
      (!file.valid_from.has_value() || *file.valid_from < *from)) {
    file.valid_from = from;
  }
  if (until.has_value() &&
      (!file.valid_until.has_value() || *file.valid_until > *until)) {
    file.valid_until = until;
  }
  return absl::OkStatus();
}

absl::Status NarrowToValidity(const Item* validity, ReferenceFile& file) {
  if (validity == nullptr) return absl::OkStatus();
  if (validity->type() != Type::kMap) return Malformed("validity is no map");
  return Narrow(validity->Find(0), validity->Find(1), /*tagged=*/true, file);
}

absl::Status ReadHeaders(BytesView protected_header, ReferenceFile& file) {
  KMS_ASSIGN_OR_RETURN(const Item headers, ParseItem(protected_header));
  const Item* content = headers.Find(kHeaderContentType);
  // The second is what drafts before the eighth said.
  if (content == nullptr ||
      (content->Text() != "application/rim+cbor" &&
       content->Text() != "application/corim-unsigned+cbor")) {
    return Malformed("the protected header does not say that it is a CoRIM");
  }
  if (const Item* meta = headers.Find(kHeaderCorimMeta); meta != nullptr) {
    if (!meta->Bytes().has_value()) return Malformed("corim-meta is no bytes");
    KMS_ASSIGN_OR_RETURN(const Item map, ParseItem(*meta->Bytes()));
    KMS_RETURN_IF_ERROR(NarrowToValidity(map.Find(1), file));
    file.signed_at = file.valid_from;
  }
  if (const Item* claims = headers.Find(kHeaderCwtClaims); claims != nullptr) {
    if (claims->type() != Type::kMap) return Malformed("CWT claims: no map");
    KMS_RETURN_IF_ERROR(Narrow(claims->Find(kCwtNotBefore),
                               claims->Find(kCwtExpires), /*tagged=*/false,
                               file));
    KMS_ASSIGN_OR_RETURN(const auto issued, ReadTime(claims->Find(kCwtIssuedAt),
                                                     /*tagged=*/false));
    if (issued.has_value()) file.signed_at = issued;
  }
  return absl::OkStatus();
}

// IANA "Named Information Hash Algorithms", by number or by name.
size_t DigestBytes(const Item& algorithm) {
  if (algorithm.Integer() == 1 || algorithm.Text() == "sha-256") return 32;
  if (algorithm.Integer() == 7 || algorithm.Text() == "sha-384") return 48;
  if (algorithm.Integer() == 8 || algorithm.Text() == "sha-512") return 64;
  return 0;
}

using Values = std::set<std::string>;

absl::Status ReadDigests(const Item& digests, Values& values) {
  if (digests.type() != Type::kArray || digests.items().empty()) {
    return Malformed("digests are no list");
  }
  for (const Item& digest : digests.items()) {
    const auto bytes = digest.items().size() == 2 ? digest.items()[1].Bytes()
                                                  : std::optional<BytesView>();
    if (digest.type() != Type::kArray || !bytes.has_value() || bytes->empty() ||
        bytes->size() != DigestBytes(digest.items()[0])) {
      return Malformed(
          "a digest that is not SHA-256, SHA-384 or SHA-512 of its length");
    }
    values.emplace(AsStringView(*bytes));
  }
  return absl::OkStatus();
}

absl::Status ReadMeasurement(const Item& measurement,
                             absl::string_view measurement_key,
                             Values& values) {
  if (measurement.type() != Type::kMap) return Malformed("no measurement map");
  if (!measurement_key.empty()) {
    const Item* key = measurement.Find(0);
    const bool chosen =
        key != nullptr && (key->Text() == measurement_key ||
                           (key->Unsigned().has_value() &&
                            absl::StrCat(*key->Unsigned()) == measurement_key));
    if (!chosen) return absl::OkStatus();
  }
  KMS_ASSIGN_OR_RETURN(
      const Item* content,
      Want(measurement.Find(1), Type::kMap, "values of a measurement"));
  if (const Item* digests = content->Find(2); digests != nullptr) {
    KMS_RETURN_IF_ERROR(ReadDigests(*digests, values));
  }
  const Item* raw = content->Find(4);
  // A mask stands beside the value, or in it under another tag.
  if (content->Find(5) != nullptr) return Malformed("a masked raw value");
  if (raw != nullptr) {
    const auto bytes = raw->Tag() == kTagBytes ? raw->items()[0].Bytes()
                                               : std::optional<BytesView>();
    if (!bytes.has_value() || bytes->empty() ||
        bytes->size() > kValueBytesMax) {
      return Malformed("a raw value that is not bytes, or too long");
    }
    values.emplace(AsStringView(*bytes));
  }
  if (const Item* registers = content->Find(14); registers != nullptr) {
    if (registers->type() != Type::kMap) return Malformed("registers: no map");
    for (size_t i = 1; i < registers->items().size(); i += 2) {
      KMS_RETURN_IF_ERROR(ReadDigests(registers->items()[i], values));
    }
  }
  return values.size() <= kValuesMax ? absl::OkStatus()
                                     : Malformed("too many values");
}

absl::Status ReadComid(BytesView bytes, absl::string_view measurement_key,
                       Values& values) {
  KMS_ASSIGN_OR_RETURN(const Item comid, ParseItem(bytes));
  KMS_RETURN_IF_ERROR(
      Want(comid.Find(1), Type::kMap, "identity of a CoMID").status());
  KMS_ASSIGN_OR_RETURN(const Item* triples,
                       Want(comid.Find(4), Type::kMap, "triples"));
  KMS_ASSIGN_OR_RETURN(
      const Item* references,
      Want(triples->Find(0), Type::kArray, "reference triples"));
  for (const Item& record : references->items()) {
    if (record.type() != Type::kArray || record.items().size() != 2) {
      return Malformed("a reference triple is no pair");
    }
    KMS_RETURN_IF_ERROR(
        Want(&record.items()[0], Type::kMap, "environment").status());
    KMS_ASSIGN_OR_RETURN(
        const Item* measurements,
        Want(&record.items()[1], Type::kArray, "measurements"));
    for (const Item& measurement : measurements->items()) {
      KMS_RETURN_IF_ERROR(
          ReadMeasurement(measurement, measurement_key, values));
    }
  }
  return absl::OkStatus();
}

// For people; what a terminal would interpret is left out.
std::string TitleOf(const Item* id) {
  if (id == nullptr || !id->Text().has_value()) return "";
  std::string title(id->Text()->substr(0, kTitleBytesMax));
  title.erase(std::remove_if(title.begin(), title.end(),
                             [](char c) {
                               return !absl::ascii_isprint(
                                   static_cast<unsigned char>(c));
                             }),
              title.end());
  return title;
}

absl::Status ReadPayload(BytesView payload, absl::string_view measurement_key,
                         ReferenceFile& file) {
  KMS_ASSIGN_OR_RETURN(const Item tagged, ParseItem(payload));
  if (tagged.Tag() != kTagCorim || tagged.items()[0].type() != Type::kMap) {
    return Malformed("the payload is no CoRIM, want tag 501");
  }
  const Item& corim = tagged.items()[0];
  if (corim.Find(2) != nullptr) return Malformed("it depends on other CoRIMs");
  KMS_RETURN_IF_ERROR(NarrowToValidity(corim.Find(4), file));
  KMS_ASSIGN_OR_RETURN(const Item* tags,
                       Want(corim.Find(1), Type::kArray, "tags"));
  Values values;
  for (const Item& tag : tags->items()) {
    const auto comid = tag.Tag() == kTagComid ? tag.items()[0].Bytes()
                                              : std::optional<BytesView>();
    if (!comid.has_value()) {
      return Malformed("a tag that is no CoMID, want 506");
    }
    KMS_RETURN_IF_ERROR(ReadComid(*comid, measurement_key, values));
  }
  if (values.empty()) return Malformed("no Reference Value in it");
  file.title = TitleOf(corim.Find(0));
  file.values.assign(values.begin(), values.end());
  if (file.valid_from.has_value() && file.valid_until.has_value() &&
      *file.valid_from >= *file.valid_until) {
    return Malformed("it is valid at no time");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ReferenceFile> ReadCorim(BytesView file,
                                        const crypto::PublicKey& signer,
                                        absl::string_view measurement_key) {
  if (file.size() > kFileBytesMax) {
    return Malformed(
        absl::StrCat(file.size(), " bytes, want at most ", kFileBytesMax));
  }
  const absl::StatusOr<cbor::Sign1> envelope =
      cbor::ParseSign1(file, cbor::Tagging::kRequired, kSubject);
  if (!envelope.ok()) {
    return Refuse(v1::ENDORSEMENT_MALFORMED, envelope.status().message());
  }
  // Nothing in it is read before it is known whose it is.
  if (!cbor::VerifySign1(*envelope, signer).ok()) {
    return Refuse(v1::SIGNATURE_INVALID,
                  "corim: not signed by the anchor's key");
  }
  return ReadVerifiedCorim(envelope->protected_header, envelope->payload,
                           measurement_key);
}

absl::StatusOr<ReferenceFile> ReadVerifiedCorim(
    BytesView protected_header, BytesView payload,
    absl::string_view measurement_key) {
  ReferenceFile file;
  KMS_RETURN_IF_ERROR(ReadHeaders(protected_header, file));
  KMS_RETURN_IF_ERROR(ReadPayload(payload, measurement_key, file));
  return file;
}

}  // namespace kms::reference_values
