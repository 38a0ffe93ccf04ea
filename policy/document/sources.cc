#include "policy/document/sources.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "policy/cel/limits.h"

namespace kms::policy {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool StartsName(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool InName(char c) {
  return StartsName(c) || absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// Past the text literal that begins at `at`, quoted once or three times.
size_t SkipText(absl::string_view text, size_t at) {
  const char quote = text[at];
  const std::string triple(3, quote);
  const bool is_triple = absl::string_view(text).substr(at, 3) == triple;
  for (size_t i = at + (is_triple ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (is_triple ? text.substr(i, 3) == triple : text[i] == quote) {
      return i + (is_triple ? 3 : 1);
    }
  }
  return text.size();
}

// The plain path of names that begins at `at`: "claims.cpu.snp". A name that
// is called belongs to no path.
std::string PathAt(absl::string_view text, size_t at, size_t& end) {
  size_t path_end = at;
  for (size_t i = at;;) {
    while (i < text.size() && InName(text[i])) ++i;
    end = i;
    if (i < text.size() && text[i] == '(') break;
    path_end = i;
    if (i + 1 >= text.size() || text[i] != '.' || !StartsName(text[i + 1])) {
      break;
    }
    ++i;
  }
  return std::string(text.substr(at, path_end - at));
}

std::string Bounded(std::string text) {
  if (text.size() > cel::kRenderedBytesMax) {
    text.resize(cel::kRenderedBytesMax - 3);
    text += "...";
  }
  return text;
}

// As traces show values: bytes in hex, text quoted and escaped.
std::string Render(const Message& message, const FieldDescriptor* field) {
  const google::protobuf::Reflection& read = *message.GetReflection();
  if (field->is_repeated()) {
    return absl::StrCat(read.FieldSize(message, field), " entries");
  }
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return read.GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(read.GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(read.GetInt64(message, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(read.GetUInt32(message, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(read.GetUInt64(message, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return read.GetEnum(message, field)->name();
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = read.GetString(message, field);
      return field->type() == FieldDescriptor::TYPE_BYTES
                 ? absl::BytesToHexString(text)
                 : absl::StrCat("\"", absl::CHexEscape(text), "\"");
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return read.HasField(message, field) ? "stated" : "";
    default:
      return "";
  }
}

// The value at `names` below `message`; "" if a message on the way is absent.
std::string ValueAt(const Message& message,
                    absl::Span<const std::string> names) {
  const Message* at = &message;
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field =
        at->GetDescriptor()->FindFieldByName(names[i]);
    if (field == nullptr) return "";
    const bool last = i + 1 == names.size();
    if (last || field->is_repeated() ||
        field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return Render(*at, field);
    }
    if (!at->GetReflection()->HasField(*at, field)) return "";
    at = &at->GetReflection()->GetMessage(*at, field);
  }
  return "";
}

// The piece of Evidence that states what stands below claims.`field`.
std::string EvidenceOf(const v1::Claims& claims, absl::string_view field) {
  if (field == "cpu" && claims.has_cpu()) {
    return v1::EvidenceType_Name(claims.cpu().type());
  }
  if (field == "tpm" && claims.has_tpm()) {
    return v1::EvidenceType_Name(claims.tpm().type());
  }
  if (field == "gpus" && claims.gpus_size() > 0) {
    return absl::StrCat(v1::EvidenceType_Name(v1::NVIDIA_GPU), " 1 to ",
                        claims.gpus_size());
  }
  return "";
}

v1::ValueSource SourceOf(std::string path, const v1::Claims& claims,
                         const v1::RequestContext& request) {
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  const auto below = absl::MakeConstSpan(names).subspan(1);
  v1::ValueSource source;
  source.set_path(std::move(path));
  if (names[0] == "claims") {
    source.set_value(Bounded(ValueAt(claims, below)));
    source.set_evidence(EvidenceOf(claims, below[0]));
  } else if (names[0] == "request") {
    source.set_value(Bounded(ValueAt(request, below)));
  }
  return source;
}

}  // namespace

std::vector<v1::ValueSource> SourcesOf(absl::string_view expression,
                                       const v1::Claims& claims,
                                       const v1::RequestContext& request) {
  std::vector<v1::ValueSource> sources;
  for (size_t i = 0; i < expression.size();) {
    if (expression[i] == '"' || expression[i] == '\'') {
      i = SkipText(expression, i);
      continue;
    }
    if (!InName(expression[i])) {
      ++i;
      continue;
    }
    // A name after a dot belongs to what stands before it.
    const bool member = i > 0 && expression[i - 1] == '.';
    size_t end = i;
    std::string path = PathAt(expression, i, end);
    i = std::max(end, i + 1);
    const absl::string_view root =
        absl::string_view(path).substr(0, path.find('.'));
    if (member || root.size() == path.size() ||
        (root != "claims" && root != "request" && root != "reference")) {
      continue;
    }
    const bool known =
        std::any_of(sources.begin(), sources.end(),
                    [&](const auto& s) { return s.path() == path; });
    if (known || sources.size() >= kSourcesMax) continue;
    sources.push_back(SourceOf(std::move(path), claims, request));
  }
  return sources;
}

}  // namespace kms::policy
