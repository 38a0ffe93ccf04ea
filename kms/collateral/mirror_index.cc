#include "kms/collateral/mirror_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "kms/base/status.h"
#include "policy/collateral/limits.h"

namespace kms::collateral {
namespace {

using Json = nlohmann::json;

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("mirror index: ", fault));
}

absl::StatusOr<MirrorEntry> ParseEntry(const Json& json) {
  if (!json.is_object() || json.size() != 2 || !json.contains("kind") ||
      !json["kind"].is_string() || !json.contains("files") ||
      !json["files"].is_array()) {
    return Bad("an entry without exactly a kind and files");
  }
  const std::optional<policy::CollateralKind> kind =
      policy::CollateralKindNamed(json["kind"].get<std::string>());
  if (!kind.has_value()) return Bad("an entry of an unknown kind");
  MirrorEntry entry{*kind, {}};
  for (const Json& file : json["files"]) {
    if (!file.is_string() || !ValidMirrorPath(file.get<std::string>())) {
      return Bad("a file that is not a plain relative path");
    }
    entry.files.push_back(file.get<std::string>());
  }
  if (entry.files.empty() || entry.files.size() > policy::kCollateralFilesMax) {
    return Bad(absl::StrCat("an entry of ", entry.files.size(),
                            " files, want 1 to ", policy::kCollateralFilesMax));
  }
  return entry;
}

}  // namespace

bool ValidMirrorPath(absl::string_view path) {
  if (path.empty() || path.size() > kMirrorPathBytesMax) return false;
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    const bool plain = std::all_of(part.begin(), part.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
             c == '_' || c == '-';
    });
    if (part.empty() || part.front() == '.' || !plain) return false;
  }
  return true;
}

absl::StatusOr<std::vector<MirrorEntry>> ParseMirrorIndex(
    absl::string_view json) {
  if (json.size() > kMirrorIndexBytesMax) return Bad("too large");
  // A deep tree costs stack: an index has four levels.
  constexpr int kDepthMax = 4;
  bool deep = false;
  const auto flat = [&deep](int depth, Json::parse_event_t, Json&) {
    deep |= depth > kDepthMax;
    return depth <= kDepthMax;
  };
  const Json document = Json::parse(json.begin(), json.end(), flat,
                                    /*allow_exceptions=*/false);
  if (deep || !document.is_object() || document.size() != 1 ||
      !document.contains("collateral") || !document["collateral"].is_array()) {
    return Bad("want an object with a list named collateral");
  }
  if (document["collateral"].size() > kMirrorEntriesMax) {
    return Bad(absl::StrCat(document["collateral"].size(),
                            " entries, want at most ", kMirrorEntriesMax));
  }
  std::vector<MirrorEntry> entries;
  for (const Json& entry : document["collateral"]) {
    KMS_ASSIGN_OR_RETURN(MirrorEntry parsed, ParseEntry(entry));
    entries.push_back(std::move(parsed));
  }
  return entries;
}

}  // namespace kms::collateral
