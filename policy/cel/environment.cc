#include "policy/cel/environment.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace kms::cel {

Environment::Environment(std::string container)
    : container_(std::move(container)) {}

void Environment::AddVariable(const std::string& name, Type type) {
  variables_.emplace(name, Variable{variable_count(), std::move(type)});
}

void Environment::AddEnum(const google::protobuf::EnumDescriptor* type) {
  for (int i = 0; i < type->value_count(); ++i) {
    constants_.emplace(
        absl::StrCat(type->full_name(), ".", type->value(i)->name()),
        type->value(i)->number());
  }
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

const Environment::Variable* Environment::FindVariable(
    absl::string_view name) const {
  for (const std::string& candidate : Candidates(name)) {
    const auto found = variables_.find(candidate);
    if (found != variables_.end()) return &found->second;
  }
  return nullptr;
}

std::optional<int64_t> Environment::FindConstant(absl::string_view name) const {
  for (const std::string& candidate : Candidates(name)) {
    const auto found = constants_.find(candidate);
    if (found != constants_.end()) return found->second;
  }
  return std::nullopt;
}

std::vector<std::string> Environment::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, variable] : variables_) names.push_back(name);
  return names;
}

}  // namespace kms::cel
