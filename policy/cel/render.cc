#include "policy/cel/render.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/arena.h"
#include "policy/cel/context.h"
#include "policy/cel/limits.h"
#include "policy/cel/message_reader.h"
#include "policy/cel/network.h"

namespace kms::cel {
namespace {

const Schema& WellKnownTypes() {
  static const Schema& schema = *new Schema();
  return schema;
}

// Appends to `out` until it is full.
class Renderer {
 public:
  void Add(const Value& value, int depth) {
    switch (value.kind()) {
      case Value::Kind::kNull:
        return Append("null");
      case Value::Kind::kBool:
        return Append(value.bool_value() ? "true" : "false");
      case Value::Kind::kInt:
        return Append(absl::StrCat(value.int_value()));
      case Value::Kind::kUint:
        return Append(absl::StrCat(value.uint_value()));
      case Value::Kind::kDouble:
        return Append(absl::StrCat(value.double_value()));
      case Value::Kind::kString:
        return Append(
            absl::CHexEscape(value.text().substr(0, kRenderedBytesMax + 1)));
      case Value::Kind::kBytes:
        return Append(absl::BytesToHexString(
            value.text().substr(0, kRenderedBytesMax + 1)));
      case Value::Kind::kTimestamp:
        return Append(absl::FormatTime(absl::RFC3339_full, value.timestamp(),
                                       absl::UTCTimeZone()));
      case Value::Kind::kDuration:
        return Append(absl::FormatDuration(value.duration()));
      case Value::Kind::kMessage:
      case Value::Kind::kType:
        return Append(value.Is(Value::Kind::kType) ? value.text()
                                                   : TypeName(value));
      case Value::Kind::kEnum:
        return Append(absl::StrCat(value.enum_number()));
      case Value::Kind::kIp:
      case Value::Kind::kCidr:
        return Append(NetworkText(value));
      case Value::Kind::kOptional:
        Append("optional(");
        if (value.size() == 1) Add(value.items()[0], depth);
        return Append(")");
      case Value::Kind::kError:
        return Append(value.error());
      case Value::Kind::kList:
      case Value::Kind::kMap:
        return AddItems(value, depth);
    }
  }
  std::string Take() {
    if (full_) {
      out_.resize(kRenderedBytesMax - 3);
      out_ += "...";
    }
    return std::move(out_);
  }

 private:
  void Append(absl::string_view text) {
    absl::StrAppend(&out_, text);
    full_ = out_.size() > kRenderedBytesMax;
  }

  void AddItems(const Value& value, int depth) {
    const bool list = value.Is(Value::Kind::kList);
    if (depth == 0) return Append(list ? "[...]" : "{...}");
    Append(list ? "[" : "{");
    for (size_t i = 0; i < value.size() && !full_; ++i) {
      if (i > 0) Append(", ");
      Value item;
      if (!list) {
        Add(value.items()[2 * i], depth - 1);
        Append(": ");
        Add(value.items()[2 * i + 1], depth - 1);
      } else if (ReadElement(context_, value, i, &item) == nullptr) {
        Add(item, depth - 1);
      } else {
        Append("?");
      }
    }
    if (!full_) Append(list ? "]" : "}");
  }

  // For elements that are read out of messages.
  google::protobuf::Arena arena_;
  Context context_{arena_, WellKnownTypes(), kCostMax};
  std::string out_;
  bool full_ = false;
};

}  // namespace

std::string Render(const Value& value) {
  Renderer renderer;
  renderer.Add(value, 2);
  return renderer.Take();
}

}  // namespace kms::cel
