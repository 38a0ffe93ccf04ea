// What an expression may name: variables and enum values.
// Source: cel-spec, doc/langdef.md, "Environment" and "Name resolution".
// Thread-compatible; build it, then share it as const.
#ifndef POLICY_CEL_ENVIRONMENT_H_
#define POLICY_CEL_ENVIRONMENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "policy/cel/type.h"

namespace kms::cel {

class Environment {
 public:
  struct Variable {
    uint32_t slot = 0;  // Its place among the values of an evaluation.
    Type type;
  };

  // Names are also looked up inside this package: with "kms.v1", both
  // kms.v1.EvidenceType.SEV_SNP and EvidenceType.SEV_SNP are found.
  explicit Environment(std::string container = "");

  // Declares the next variable; its slot is the number of those before it.
  // `name` may have dots ("reference.images"), and is then found by the same
  // selection. REQUIRES: not declared before.
  void AddVariable(const std::string& name, Type type);

  // Declares every value of `type` as <full name of type>.<VALUE>, an int.
  void AddEnum(const google::protobuf::EnumDescriptor* type);

  // Refuses list and map literals of mixed types, which CEL takes to be dyn:
  // in a rule, `x in [1, 'a']` is a mistake.
  void set_homogeneous_literals(bool on) { homogeneous_literals_ = on; }
  bool homogeneous_literals() const { return homogeneous_literals_; }

  // Null if there is none. A leading dot skips the container.
  const Variable* FindVariable(absl::string_view name) const;
  std::optional<int64_t> FindConstant(absl::string_view name) const;

  uint32_t variable_count() const {
    return static_cast<uint32_t>(variables_.size());
  }
  // The names of all variables, for suggestions.
  std::vector<std::string> Names() const;

 private:
  // `name` as it may be meant, in the order that CEL tries.
  std::vector<std::string> Candidates(absl::string_view name) const;

  const std::string container_;
  bool homogeneous_literals_ = false;
  std::map<std::string, Variable> variables_;
  std::map<std::string, int64_t> constants_;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_ENVIRONMENT_H_
