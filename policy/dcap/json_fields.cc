#include "policy/dcap/json_fields.h"

#include <algorithm>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/refusal.h"
#include "policy/dcap/limits.h"

namespace kms::dcap {
namespace {

using formats::JsonValue;

const JsonValue& NoValue() {
  static const auto* const kNone = new JsonValue();
  return *kNone;
}

// absl::ParseTime also takes white space, fractions and offsets.
std::optional<absl::Time> ReadTime(absl::string_view text) {
  constexpr absl::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != kForm.size()) return std::nullopt;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return std::nullopt;
  }
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return std::nullopt;  // There is no such day or hour.
  }
  return time;
}

}  // namespace

JsonFields::JsonFields(const JsonValue& object, std::string* fault)
    : object_(object), fault_(fault) {
  if (!object.is_object()) Fail("an object");
}

void JsonFields::Fail(absl::string_view name) {
  if (!failed()) *fault_ = std::string(name);
}

const JsonValue& JsonFields::Object(absl::string_view name) {
  const JsonValue* value = object_.Find(name);
  if (value != nullptr && value->is_object()) return *value;
  Fail(name);
  return NoValue();
}

const std::vector<JsonValue>& JsonFields::Array(absl::string_view name,
                                                size_t count_max) {
  const JsonValue* value = object_.Find(name);
  if (value != nullptr && value->is_array() && !value->items.empty() &&
      value->items.size() <= count_max) {
    return value->items;
  }
  Fail(name);
  return NoValue().items;
}

absl::string_view JsonFields::Text(absl::string_view name) {
  const JsonValue* value = object_.Find(name);
  const std::optional<absl::string_view> text =
      value == nullptr ? std::nullopt : value->String();
  if (!text.has_value()) Fail(name);
  return text.value_or("");
}

uint64_t JsonFields::Number(absl::string_view name, uint64_t max) {
  const JsonValue* value = object_.Find(name);
  if (value != nullptr && value->kind == JsonValue::Kind::kUnsigned &&
      value->number <= max) {
    return value->number;
  }
  Fail(name);
  return 0;
}

absl::Time JsonFields::Time(absl::string_view name) {
  const std::optional<absl::Time> time = ReadTime(Text(name));
  if (!time.has_value()) Fail(name);
  return time.value_or(absl::InfinitePast());
}

uint64_t JsonFields::U64Le(absl::string_view name) {
  const std::array<uint8_t, 8> bytes = Bytes<8>(name);
  uint64_t value = 0;
  for (size_t i = 8; i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

TcbStatus JsonFields::Status() {
  const std::optional<TcbStatus> status = ParseTcbStatus(Text("tcbStatus"));
  if (!status.has_value()) Fail("tcbStatus");
  return status.value_or(TcbStatus::kRevoked);
}

std::vector<std::string> JsonFields::Advisories() {
  std::vector<std::string> advisories;
  const JsonValue* value = object_.Find("advisoryIDs");
  if (value == nullptr) return advisories;
  if (!value->is_array() || value->items.size() > kAdvisoriesMax) {
    Fail("advisoryIDs");
    return advisories;
  }
  for (const JsonValue& item : value->items) {
    const std::optional<absl::string_view> text = item.String();
    if (!text.has_value() || text->size() > kAdvisoryBytesMax) {
      Fail("advisoryIDs");
      break;
    }
    advisories.emplace_back(*text);
  }
  return advisories;
}

void JsonFields::ReadHex(absl::string_view name, uint8_t* to, size_t size) {
  const absl::StatusOr<std::string> bytes = Unhex(Text(name));
  if (!bytes.ok() || bytes->size() != size) {
    Fail(name);
    return;
  }
  const BytesView view = AsBytes(*bytes);
  std::copy(view.begin(), view.end(), to);
}

absl::Status FaultToStatus(absl::string_view subject, absl::string_view fault) {
  if (fault.empty()) return absl::OkStatus();
  return Refuse(v1::ENDORSEMENT_MALFORMED,
                absl::StrCat(subject, ": ", fault,
                             " is absent or not what it should be"));
}

}  // namespace kms::dcap
