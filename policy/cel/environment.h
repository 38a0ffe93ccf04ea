// What an expression may name: variables, functions, types and enum values.
// Source: cel-spec, doc/langdef.md, "Environment" and "Name Resolution".
// Thread-compatible; build it, then share it as const.
#ifndef POLICY_CEL_ENVIRONMENT_H_
#define POLICY_CEL_ENVIRONMENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "policy/cel/functions.h"
#include "policy/cel/parser.h"
#include "policy/cel/schema.h"
#include "policy/cel/type.h"
#include "policy/cel/value.h"

namespace kms::cel {

class Environment {
 public:
  struct Variable {
    uint32_t slot = 0;  // Its place among the values of an evaluation.
    Type type;
  };
  // What a name stands for: a variable, or else a constant (an enum value, or
  // a type as a value).
  struct Meaning {
    const Variable* variable = nullptr;
    Value constant;
    Type type;
  };

  // Names are also looked up inside this package: with "kms.v1", both
  // kms.v1.EvidenceType.SEV_SNP and EvidenceType.SEV_SNP are found.
  explicit Environment(std::string container = "");

  // Declares the next variable; its slot is the number of those before it.
  // `name` may have dots ("reference.images"), and is then found by the same
  // selection. A message type becomes known with all that its file imports.
  // REQUIRES: not declared before.
  void AddVariable(const std::string& name, Type type);

  // Declares every value of `type` as <full name of type>.<VALUE>, and what
  // its file has.
  void AddEnum(const google::protobuf::EnumDescriptor* type);

  // Declares an overload beside those of the language. It can be checked, and
  // not called.
  void AddFunction(Overload overload);

  // Refuses list and map literals of mixed types, which CEL takes to be dyn:
  // in a rule, `x in [1, 'a']` is a mistake.
  void set_homogeneous_literals(bool on) { homogeneous_literals_ = on; }
  bool homogeneous_literals() const { return homogeneous_literals_; }

  // False: every type is dyn until evaluation, and a name or function that
  // nothing declares is an error only where it is evaluated.
  void set_checked(bool on) { checked_ = on; }
  bool checked() const { return checked_; }

  // True: literal arguments of timestamp(), matches() and their like that
  // cannot be read are faults of the expression, found when it is compiled.
  void set_literals_checked(bool on) { literals_checked_ = on; }
  bool literals_checked() const { return literals_checked_; }

  ParseOptions& parse_options() { return parse_options_; }
  const ParseOptions& parse_options() const { return parse_options_; }

  // Shared with the programs compiled here. Change it only before the first.
  Schema& schema() { return *schema_; }
  const Schema& schema() const { return *schema_; }
  std::shared_ptr<const Schema> shared_schema() const { return schema_; }

  // A leading dot skips the container, as for all names below. Nothing if the
  // name stands for nothing.
  std::optional<Meaning> Find(absl::string_view name) const;
  const google::protobuf::Descriptor* FindMessage(absl::string_view name) const;
  const google::protobuf::EnumDescriptor* FindEnum(
      absl::string_view name) const;
  // Overloads of the innermost name that has any, of the language or declared.
  std::vector<const Overload*> FindFunction(absl::string_view name,
                                            bool member) const;

  uint32_t variable_count() const {
    return static_cast<uint32_t>(variables_.size());
  }
  // The names of all variables, for suggestions.
  std::vector<std::string> Names() const;

 private:
  // `name` as it may be meant, in the order that CEL tries.
  std::vector<std::string> Candidates(absl::string_view name) const;
  std::optional<Meaning> FindExactly(const std::string& name) const;

  const std::string container_;
  bool homogeneous_literals_ = false;
  bool checked_ = true;
  bool literals_checked_ = true;
  ParseOptions parse_options_;
  std::shared_ptr<Schema> schema_ = std::make_shared<Schema>();
  std::map<std::string, Variable> variables_;
  std::map<std::string, std::vector<Overload>> functions_;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_ENVIRONMENT_H_
