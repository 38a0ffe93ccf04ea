#include "policy/cca/claim_reader.h"

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/cca/limits.h"

namespace kms::cca {

ClaimReader::ClaimReader(const cbor::Item& map, absl::string_view subject)
    : map_(map), subject_(subject) {
  if (map.type() == cbor::Type::kMap) return;
  status_ = Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat(subject, ": no map"));
}

void ClaimReader::Fail(int64_t key, absl::string_view want) {
  if (!status_.ok()) return;
  status_ =
      Refuse(v1::EVIDENCE_MALFORMED,
             absl::StrCat(subject_, ": ", Has(key) ? "claim " : "no claim ",
                          key, ", want ", want));
}

std::string ClaimReader::Bytes(int64_t key, size_t size_min, size_t size_max) {
  const cbor::Item* item = map_.Find(key);
  const auto bytes = item == nullptr ? std::nullopt : item->Bytes();
  if (bytes.has_value() && bytes->size() >= size_min &&
      bytes->size() <= size_max) {
    return ToString(*bytes);
  }
  Fail(key, absl::StrCat(size_min, " to ", size_max, " bytes"));
  return "";
}

std::string ClaimReader::Hash(int64_t key) {
  std::string hash = Bytes(key, 32, 64);
  if (hash.size() % 16 != 0) Fail(key, "32, 48 or 64 bytes");
  return hash;
}

std::string ClaimReader::Text(int64_t key) {
  const cbor::Item* item = map_.Find(key);
  const auto text = item == nullptr ? std::nullopt : item->Text();
  if (text.has_value() && !text->empty() && text->size() <= kTextBytesMax) {
    return std::string(*text);
  }
  Fail(key, absl::StrCat("a text of 1 to ", kTextBytesMax, " bytes"));
  return "";
}

uint64_t ClaimReader::Unsigned(int64_t key, uint64_t max) {
  const cbor::Item* item = map_.Find(key);
  const auto number = item == nullptr ? std::nullopt : item->Unsigned();
  if (number.has_value() && *number <= max) return *number;
  Fail(key, absl::StrCat("a number of at most ", max));
  return 0;
}

const cbor::Item* ClaimReader::Array(int64_t key, size_t size_min,
                                     size_t size_max) {
  const cbor::Item* item = map_.Find(key);
  if (item != nullptr && item->type() == cbor::Type::kArray &&
      item->items().size() >= size_min && item->items().size() <= size_max) {
    return item;
  }
  Fail(key, absl::StrCat("an array of ", size_min, " to ", size_max));
  return nullptr;
}

}  // namespace kms::cca
