#include "policy/tpm/pcrs.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "kms/base/refusal.h"
#include "kms/base/status.h"
#include "kms/crypto/digest.h"
#include "policy/formats/json.h"
#include "policy/tpm/algorithm.h"
#include "policy/tpm/limits.h"

namespace kms::tpm {
namespace {

absl::Status Malformed(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_MALFORMED, absl::StrCat("tpm pcrs: ", fault));
}
absl::Status Inconsistent(absl::string_view fault) {
  return Refuse(v1::EVIDENCE_INCONSISTENT, absl::StrCat("tpm pcrs: ", fault));
}

absl::StatusOr<crypto::Hash> BankNamed(absl::string_view name) {
  for (const crypto::Hash hash :
       {crypto::Hash::kSha256, crypto::Hash::kSha384}) {
    if (name == HashName(hash)) return hash;
  }
  return Refuse(v1::EVIDENCE_UNSUPPORTED,
                "tpm pcrs: a bank that is neither sha256 nor sha384");
}

absl::StatusOr<uint32_t> ParseIndex(absl::string_view text) {
  uint32_t index = 0;
  if (!absl::SimpleAtoi(text, &index) || index >= kPcrCount ||
      text != absl::StrCat(index)) {
    return Malformed(absl::StrCat("an index that is not 0 to ", kPcrCount - 1));
  }
  return index;
}

}  // namespace

absl::StatusOr<UnverifiedPcrs> ParsePcrs(BytesView text) {
  const auto json =
      formats::ParseJson(AsStringView(text), "tpm pcrs", kPcrsBounds);
  if (!json.ok()) {
    return Refuse(v1::EVIDENCE_MALFORMED, json.status().message());
  }
  const formats::JsonValue* bank = json->Find("bank");
  const formats::JsonValue* pcrs = json->Find("pcrs");
  if (json->members.size() != 2 || bank == nullptr ||
      !bank->String().has_value() || pcrs == nullptr || !pcrs->is_object()) {
    return Malformed("want an object of bank and pcrs");
  }
  UnverifiedPcrs result;
  KMS_ASSIGN_OR_RETURN(result.bank, BankNamed(*bank->String()));
  for (const auto& [name, value] : pcrs->members) {
    KMS_ASSIGN_OR_RETURN(const uint32_t index, ParseIndex(name));
    absl::StatusOr<std::string> bytes = Unhex(value.String().value_or("?"));
    if (!bytes.ok() || bytes->size() != crypto::HashSize(result.bank)) {
      return Malformed("a value that is not hex of its bank's size");
    }
    result.values[index] = *std::move(bytes);
  }
  return result;
}

std::string SerializePcrs(const UnverifiedPcrs& pcrs) {
  std::string json = absl::StrCat("{\n \"bank\": \"", HashName(pcrs.bank),
                                  "\",\n \"pcrs\": {");
  const char* separator = "\n";
  for (const auto& [index, value] : pcrs.values) {
    absl::StrAppend(&json, separator, "  \"", index, "\": \"", Hex(value),
                    "\"");
    separator = ",\n";
  }
  return absl::StrCat(json, "\n }\n}\n");
}

absl::StatusOr<std::map<uint32_t, std::string>> SelectPcrs(
    const UnverifiedQuote& quote, const UnverifiedPcrs& pcrs) {
  if (pcrs.bank != quote.bank) {
    return Inconsistent("of another bank than the quote's");
  }
  std::map<uint32_t, std::string> selected;
  for (uint32_t index = 0; index < kPcrCount; ++index) {
    if ((quote.selected >> index & 1) == 0) continue;
    const auto found = pcrs.values.find(index);
    if (found == pcrs.values.end()) {
      return Inconsistent(
          absl::StrCat("no value of PCR ", index, ", which the quote covers"));
    }
    selected.insert(*found);
  }
  return selected;
}

std::string PcrDigest(crypto::Hash hash,
                      const std::map<uint32_t, std::string>& values) {
  std::string bytes;
  for (const auto& [index, value] : values) bytes += value;
  return crypto::Digest(hash, AsBytes(bytes));
}

}  // namespace kms::tpm
