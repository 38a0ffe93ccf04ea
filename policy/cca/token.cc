#include "policy/cca/token.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "policy/cbor/item.h"

namespace kms::cca {
namespace {

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("cca token: ", fault));
}

absl::StatusOr<BytesView> ReadEntry(const cbor::Item& collection, int64_t key,
                                    absl::string_view name) {
  const cbor::Item* entry = collection.Find(key);
  if (entry == nullptr) return Malformed(absl::StrCat("no ", name, " token"));
  if (entry->type() == cbor::Type::kArray) {
    if (entry->items().size() != 2 ||
        entry->items()[0].Unsigned() != kContentFormatEatCwt) {
      return Malformed(absl::StrCat(name, " token, want it as an EAT CWT"));
    }
    entry = &entry->items()[1];
  }
  const auto bytes = entry->Bytes();
  if (!bytes.has_value()) {
    return Malformed(absl::StrCat(name, " token, want a byte string"));
  }
  return *bytes;
}

}  // namespace

absl::StatusOr<Envelopes> ParseToken(BytesView file) {
  KMS_ASSIGN_OR_RETURN(const cbor::Item whole,
                       cbor::Parse(file, cbor::Rules(), "cca token"));
  if (whole.Tag() != kTagCollection1 && whole.Tag() != kTagCollection2) {
    return Malformed("another tag than 399 or 907");
  }
  const cbor::Item& collection = whole.items()[0];
  if (collection.type() != cbor::Type::kMap) {
    return Malformed("no collection");
  }
  KMS_ASSIGN_OR_RETURN(const BytesView platform,
                       ReadEntry(collection, kPlatformEntry, "platform"));
  KMS_ASSIGN_OR_RETURN(const BytesView realm,
                       ReadEntry(collection, kRealmEntry, "realm"));
  if (collection.items().size() != 4) {
    return Refuse(v1::EVIDENCE_UNSUPPORTED,
                  "cca token: more than a platform and a realm token");
  }
  Envelopes envelopes;
  KMS_ASSIGN_OR_RETURN(envelopes.platform,
                       cbor::ParseSign1(platform, cbor::Tagging::kRequired,
                                        "cca platform token"));
  KMS_ASSIGN_OR_RETURN(
      envelopes.realm,
      cbor::ParseSign1(realm, cbor::Tagging::kRequired, "cca realm token"));
  envelopes.platform_token = platform;
  return envelopes;
}

}  // namespace kms::cca
