#include "policy/formats/strict_json.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace kms::formats {
namespace {

using Json = nlohmann::json;

}  // namespace

absl::StatusOr<Json> ParseStrictJson(absl::string_view text,
                                     absl::string_view subject,
                                     size_t bytes_max, int depth_max) {
  const auto bad = [subject](absl::string_view fault) {
    return absl::InvalidArgumentError(absl::StrCat(subject, ": ", fault));
  };
  if (text.size() > bytes_max) {
    return bad(absl::StrCat(text.size(), " bytes, want at most ", bytes_max));
  }
  const char* fault = nullptr;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        keys.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= depth_max) fault = "nested too deep";
        break;
      case Json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys.back().insert(parsed.get_ref<const std::string&>()).second) {
          fault = "a key occurs twice";
        }
        break;
      case Json::parse_event_t::value:
        if (parsed.is_number_float()) fault = "a number that is no integer";
        break;
      case Json::parse_event_t::array_end:
        break;
    }
    return fault == nullptr;  // False: the value is dropped.
  };
  Json json = Json::parse(text.begin(), text.end(), watch,
                          /*allow_exceptions=*/false);
  if (fault != nullptr) return bad(fault);
  if (json.is_discarded() || !json.is_object()) return bad("no JSON object");
  return json;
}

}  // namespace kms::formats
