#include "policy/bundle/bundle.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kms/base/bytes.h"
#include "kms/base/status.h"
#include "policy/verifier/verifier.h"

namespace kms::policy {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kFileNameBytesMax = 255;

absl::Status Bad(absl::string_view fault) {
  return absl::InvalidArgumentError(absl::StrCat("bundle.json: ", fault));
}

// Refuses a key that occurs twice in one object: two readers could differ on
// which one counts.
absl::StatusOr<Json> ParseStrict(absl::string_view text) {
  if (text.size() > kBundleJsonBytesMax) {
    return Bad(absl::StrCat(text.size(), " bytes, want at most ",
                            kBundleJsonBytesMax));
  }
  constexpr int kDepthMax = 5;
  bool duplicate = false;
  bool deep = false;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    deep = deep || depth > kDepthMax;
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const bool fresh =
          keys.back().insert(parsed.get_ref<const std::string&>()).second;
      duplicate = duplicate || !fresh;
    }
    return !deep && !duplicate;  // False: the value is dropped.
  };
  Json json = Json::parse(text.begin(), text.end(), watch,
                          /*allow_exceptions=*/false);
  if (duplicate) return Bad("a key occurs twice");
  if (deep) return Bad("nested too deep");
  if (json.is_discarded() || !json.is_object()) {
    return Bad("not a JSON object");
  }
  return json;
}

bool IsPlainFileName(const std::string& name) {
  return !name.empty() && name.size() <= kFileNameBytesMax && name != "." &&
         name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

absl::Status ParseFiles(const Json& files, BundlePiece& piece) {
  for (const auto& [role, names] : files.items()) {
    if (!IsEvidenceRole(role)) return Bad("unknown role");
    if (!names.is_array() || names.empty()) {
      return Bad("a role's files are not a list of names");
    }
    for (const Json& name : names) {
      if (!name.is_string() || !IsPlainFileName(name.get<std::string>())) {
        return Bad("a file name is not that of a file in the same folder");
      }
      piece.files.push_back({.role = role, .name = name.get<std::string>()});
      if (piece.files.size() > static_cast<size_t>(kEvidenceFilesMax)) {
        return Bad("too many files");
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<BundlePiece> ParsePiece(const Json& json) {
  if (!json.is_object()) return Bad("a piece of evidence is not an object");
  BundlePiece piece;
  bool has_files = false;
  for (const auto& [key, value] : json.items()) {
    if (key == "type" && value.is_string()) {
      piece.type = EvidenceTypeNamed(value.get<std::string>());
    } else if (key == "files" && value.is_object()) {
      has_files = true;
      KMS_RETURN_IF_ERROR(ParseFiles(value, piece));
    } else {
      return Bad("a piece has an unknown key, or a value of another kind");
    }
  }
  if (piece.type == v1::EVIDENCE_TYPE_UNSPECIFIED) {
    return Bad("a piece has no known type");
  }
  if (!has_files) return Bad("a piece has no files");
  return piece;
}

}  // namespace

absl::StatusOr<BundleIndex> ParseBundleIndex(absl::string_view text) {
  KMS_ASSIGN_OR_RETURN(const Json json, ParseStrict(text));
  BundleIndex index;
  for (const auto& [key, value] : json.items()) {
    if (key == "evidence" && value.is_array()) {
      if (value.size() > static_cast<size_t>(kEvidencePiecesMax)) {
        return Bad("too many pieces of evidence");
      }
      for (const Json& item : value) {
        KMS_ASSIGN_OR_RETURN(BundlePiece piece, ParsePiece(item));
        index.evidence.push_back(std::move(piece));
      }
    } else if (key == "verify_at" && value.is_string()) {
      absl::Time time;
      std::string error;
      if (!absl::ParseTime(absl::RFC3339_full, value.get<std::string>(), &time,
                           &error)) {
        return Bad("verify_at is not an RFC 3339 time");
      }
      index.verify_at = time;
    } else if (key == "report_data" && value.is_string()) {
      absl::StatusOr<std::string> bytes = Unhex(value.get<std::string>());
      if (!bytes.ok()) return Bad("report_data is not hex");
      index.report_data = *std::move(bytes);
    } else {
      return Bad("an unknown key, or a value of another kind");
    }
  }
  if (index.evidence.empty()) return Bad("no evidence");
  return index;
}

absl::StatusOr<v1::EvidenceBundle> LoadBundle(
    const BundleIndex& index,
    absl::FunctionRef<absl::StatusOr<std::string>(const std::string& name)>
        read) {
  v1::EvidenceBundle bundle;
  for (const BundlePiece& piece : index.evidence) {
    v1::Evidence* evidence = bundle.add_evidence();
    evidence->set_type(piece.type);
    for (const BundleFile& file : piece.files) {
      KMS_ASSIGN_OR_RETURN(std::string content, read(file.name));
      v1::EvidenceFile* out = evidence->add_files();
      out->set_role(file.role);
      out->set_content(std::move(content));
    }
  }
  return bundle;
}

std::string BundleIndexToJson(const BundleIndex& index) {
  Json json = Json::object();
  for (const BundlePiece& piece : index.evidence) {
    Json files = Json::object();
    for (const BundleFile& file : piece.files) {
      files[file.role].push_back(file.name);
    }
    const absl::string_view type = EvidenceTypeName(piece.type);
    json["evidence"].push_back(
        {{"type", std::string(type)}, {"files", std::move(files)}});
  }
  if (index.verify_at.has_value()) {
    json["verify_at"] = absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ",
                                         *index.verify_at, absl::UTCTimeZone());
  }
  if (index.report_data.has_value()) {
    json["report_data"] = Hex(*index.report_data);
  }
  return json.dump(1, ' ', /*ensure_ascii=*/true) + "\n";
}

}  // namespace kms::policy
