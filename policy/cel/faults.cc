#include "policy/cel/faults.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/cel/functions.h"
#include "policy/cel/issue.h"

namespace kms::cel {

using Kind = Type::Kind;

std::string UnknownName(absl::string_view name,
                        const std::vector<std::string>& declared) {
  return absl::StrCat("unknown name '", name, "'", Suggest(name, declared));
}

std::string UnknownField(const google::protobuf::Descriptor* message,
                         absl::string_view name) {
  std::vector<std::string> names;
  for (int i = 0; i < message->field_count(); ++i) {
    names.push_back(message->field(i)->name());
  }
  return absl::StrCat(message->full_name(), " has no field '", name, "'",
                      Suggest(name, names));
}

std::string UnknownFunction(absl::string_view name) {
  return absl::StrCat("unknown function '", name, "'",
                      Suggest(name, FunctionNames()));
}

std::string NoOverload(absl::string_view function,
                       const std::vector<Type>& args) {
  const std::string types = absl::StrJoin(
      args, ", ",
      [](std::string* out, const Type& type) { out->append(type.Name()); });
  const auto mixes = [&](Kind a, Kind b) {
    return args.size() == 2 && ((args[0].Is(a) && args[1].Is(b)) ||
                                (args[0].Is(b) && args[1].Is(a)));
  };
  absl::string_view hint;
  if (mixes(Kind::kInt, Kind::kUint)) {
    hint = "; write 7u for an unsigned number";
  } else if (mixes(Kind::kString, Kind::kBytes)) {
    hint = "; write unhex('...') or b'...' for bytes";
  }
  return absl::StrCat(DisplayName(function), " does not take (", types, ")",
                      hint);
}

}  // namespace kms::cel
