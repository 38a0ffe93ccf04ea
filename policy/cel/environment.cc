#include "policy/cel/environment.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kms::cel {
namespace {

using Kind = Type::Kind;

struct NamedType {
  const char* name;
  Type type;
};

// The types that can be written as values, apart from messages.
const std::vector<NamedType>& NamedTypes() {
  static const auto& types = *new std::vector<NamedType>{
      {"bool", Kind::kBool},
      {"int", Kind::kInt},
      {"uint", Kind::kUint},
      {"double", Kind::kDouble},
      {"string", Kind::kString},
      {"bytes", Kind::kBytes},
      {"list", Type::List(Type())},
      {"map", Type::Map(Type(), Type())},
      {"null_type", Kind::kNull},
      {"type", Type::OfType(Type())},
      {"dyn", Kind::kDyn},
      {"optional_type", Type::Optional(Type())},
      {"net.IP", Type::Abstract("net.IP", {})},
      {"net.CIDR", Type::Abstract("net.CIDR", {})},
  };
  return types;
}

Environment::Meaning TypeConstant(absl::string_view name, Type type) {
  return {nullptr, Value::Type(name), Type::OfType(std::move(type))};
}

}  // namespace

Environment::Environment(std::string container)
    : container_(std::move(container)) {}

void Environment::AddVariable(const std::string& name, Type type) {
  if (type.message() != nullptr) schema_->AddFile(type.message()->file());
  variables_.emplace(name, Variable{variable_count(), std::move(type)});
}

void Environment::AddEnum(const google::protobuf::EnumDescriptor* type) {
  schema_->AddFile(type->file());
}

void Environment::AddFunction(Overload overload) {
  auto& overloads = functions_[overload.name];
  overloads.push_back(std::move(overload));
}

std::vector<std::string> Environment::Candidates(absl::string_view name) const {
  if (!name.empty() && name[0] == '.') return {std::string(name.substr(1))};
  std::vector<std::string> candidates;
  absl::string_view scope = container_;
  while (!scope.empty()) {
    candidates.push_back(absl::StrCat(scope, ".", name));
    const size_t dot = scope.rfind('.');
    scope = scope.substr(0, dot == absl::string_view::npos ? 0 : dot);
  }
  candidates.emplace_back(name);
  return candidates;
}

std::optional<Environment::Meaning> Environment::FindExactly(
    const std::string& name) const {
  const auto variable = variables_.find(name);
  if (variable != variables_.end()) {
    return Meaning{&variable->second, Value(), variable->second.type};
  }
  if (const auto* type = schema_->FindMessage(name)) {
    const Type meant = Type::Message(type);
    if (meant.Is(Kind::kMessage)) return TypeConstant(type->full_name(), meant);
    if (meant.Is(Kind::kTimestamp) || meant.Is(Kind::kDuration)) {
      return TypeConstant(type->full_name(), meant);
    }
    // A wrapper's type is that of what it holds, as type() says it.
    for (const NamedType& named : NamedTypes()) {
      if (named.name == meant.RuntimeName()) {
        return TypeConstant(named.name, meant);
      }
    }
    return TypeConstant(type->full_name(), meant);
  }
  if (const auto* value = schema_->FindEnumValue(name)) {
    if (IsNullEnum(value->type()))
      return Meaning{nullptr, Value(), Kind::kNull};
    if (schema_->strong_enums()) {
      return Meaning{nullptr, Value::Enum(value->type(), value->number()),
                     Type::Enum(value->type())};
    }
    return Meaning{nullptr, Value::Int(value->number()), Kind::kInt};
  }
  if (schema_->strong_enums()) {
    if (const auto* type = schema_->FindEnum(name)) {
      return TypeConstant(type->full_name(), Type::Enum(type));
    }
  }
  for (const NamedType& named : NamedTypes()) {
    if (name == named.name) return TypeConstant(named.name, named.type);
  }
  return std::nullopt;
}

std::optional<Environment::Meaning> Environment::Find(
    absl::string_view name) const {
  for (const std::string& candidate : Candidates(name)) {
    if (auto found = FindExactly(candidate)) return found;
  }
  return std::nullopt;
}

const google::protobuf::Descriptor* Environment::FindMessage(
    absl::string_view name) const {
  for (const std::string& candidate : Candidates(name)) {
    if (const auto* found = schema_->FindMessage(candidate)) return found;
  }
  return nullptr;
}

const google::protobuf::EnumDescriptor* Environment::FindEnum(
    absl::string_view name) const {
  for (const std::string& candidate : Candidates(name)) {
    if (const auto* found = schema_->FindEnum(candidate)) return found;
  }
  return nullptr;
}

std::vector<const Overload*> Environment::FindFunction(absl::string_view name,
                                                       bool member) const {
  std::vector<const Overload*> found;
  for (const std::string& candidate : Candidates(name)) {
    for (const Overload& overload : FindOverloads(candidate, member)) {
      found.push_back(&overload);
    }
    const auto declared = functions_.find(candidate);
    if (declared != functions_.end()) {
      for (const Overload& overload : declared->second) {
        if (overload.member == member) found.push_back(&overload);
      }
    }
    if (!found.empty()) return found;
  }
  return found;
}

std::vector<std::string> Environment::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, variable] : variables_) names.push_back(name);
  return names;
}

}  // namespace kms::cel
