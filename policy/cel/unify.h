// Type variables and what they stand for while an expression is checked.
// Source: cel-spec, doc/langdef.md, "Gradual type checking".
// Thread-compatible.
#ifndef POLICY_CEL_UNIFY_H_
#define POLICY_CEL_UNIFY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "policy/cel/functions.h"
#include "policy/cel/limits.h"
#include "policy/cel/type.h"

namespace kms::cel {

class Unifier {
 public:
  // A type variable that stands for nothing yet.
  Type Fresh();

  // True if a value of type `from` may stand where `to` is wanted. Then the
  // type variables in both are bound to what makes it so; else none changes.
  bool Assign(const Type& to, const Type& from);

  // The type of elements of one literal: the more general of the two if they
  // agree, else nothing.
  std::optional<Type> Join(const Type& a, const Type& b);

  // `type` with its variables replaced by what they stand for; by dyn where
  // that is nothing, if `final`.
  Type Resolve(const Type& type, bool final) const;

  // The result type of a call that fits `overload`; nothing if it does not.
  std::optional<Type> Fit(const Overload& overload,
                          absl::Span<const Type> args);

  // kTypeStepsMax steps were taken. From then on no types agree, and what a
  // variable stands for is not looked up.
  bool exhausted() const { return steps_left_ == 0; }

 private:
  // False, and nothing left, at the end of the steps.
  bool Step() const;
  bool IsMoreGeneral(const Type& a, const Type& b) const;
  Type MostGeneral(const Type& a, const Type& b) const;
  bool Agree(const Type& a, const Type& b);
  bool AgreeAll(const std::vector<Type>& a, const std::vector<Type>& b);
  bool Bind(const Type& variable, const Type& type, bool* bound);
  bool Mentions(const Type& type, const std::string& variable) const;
  void Set(const std::string& variable, Type type);
  void UndoTo(size_t mark);

  using Renamed = std::map<std::string, Type>;
  Type Instantiate(const Type& type, Renamed& renamed);

  std::unordered_map<std::string, Type> bindings_;
  // What was overwritten, to undo it where types turn out not to agree.
  std::vector<std::pair<std::string, std::optional<Type>>> trail_;
  int count_ = 0;
  mutable uint64_t steps_left_ = kTypeStepsMax;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_UNIFY_H_
