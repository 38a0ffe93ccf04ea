#include "policy/cel/unify.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace kms::cel {
namespace {

using Kind = Type::Kind;

bool IsNullable(const Type& type) {
  switch (type.kind()) {
    case Kind::kNull:
    case Kind::kMessage:
    case Kind::kTimestamp:
    case Kind::kDuration:
    case Kind::kWrapper:
    case Kind::kAbstract:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Unifier::Step() const {
  if (steps_left_ > 0) --steps_left_;
  return steps_left_ > 0;
}

// True if every value of `b` is one of `a`, so that `a` says less.
bool Unifier::IsMoreGeneral(const Type& a, const Type& b) const {
  if (!Step()) return false;
  if (a.IsDyn() || a.Is(Kind::kParam)) return true;
  if (b.IsDyn() || b.Is(Kind::kParam)) return false;
  if (a.Is(Kind::kWrapper) && a.element() == b) return true;
  if (b.Is(Kind::kNull)) return IsNullable(a);
  if (a.kind() != b.kind() || a.name() != b.name() ||
      a.params().size() != b.params().size()) {
    return false;
  }
  if (a.Is(Kind::kType)) return true;
  for (size_t i = 0; i < a.params().size(); ++i) {
    if (!IsMoreGeneral(a.params()[i], b.params()[i])) return false;
  }
  return true;
}

// Of two types that agree, one that holds for both.
Type Unifier::MostGeneral(const Type& a, const Type& b) const {
  if (IsMoreGeneral(a, b)) return a;
  if (IsMoreGeneral(b, a)) return b;
  if (a.kind() != b.kind() || a.params().size() != b.params().size()) return b;
  std::vector<Type> params;
  for (size_t i = 0; i < a.params().size(); ++i) {
    params.push_back(MostGeneral(a.params()[i], b.params()[i]));
  }
  return a.With(std::move(params));
}

Type Unifier::Fresh() { return Type::Param(absl::StrCat("%", count_++)); }

bool Unifier::Assign(const Type& to, const Type& from) {
  const size_t mark = trail_.size();
  if (Agree(from, to)) return true;
  UndoTo(mark);
  return false;
}

void Unifier::Set(const std::string& variable, Type type) {
  const auto found = bindings_.find(variable);
  if (found == bindings_.end()) {
    trail_.emplace_back(variable, std::nullopt);
    bindings_.emplace(variable, std::move(type));
  } else {
    trail_.emplace_back(variable,
                        std::exchange(found->second, std::move(type)));
  }
}

void Unifier::UndoTo(size_t mark) {
  for (; trail_.size() > mark; trail_.pop_back()) {
    auto& [variable, before] = trail_.back();
    if (before.has_value()) {
      bindings_[variable] = *std::move(before);
    } else {
      bindings_.erase(variable);
    }
  }
}

std::optional<Type> Unifier::Join(const Type& a, const Type& b) {
  if (!Assign(a, b)) return std::nullopt;
  return MostGeneral(a, b);
}

Type Unifier::Resolve(const Type& type, bool final) const {
  if (!Step()) return Type();
  if (type.Is(Kind::kParam)) {
    const auto found = bindings_.find(type.name());
    if (found != bindings_.end()) return Resolve(found->second, final);
    return final ? Type() : type;
  }
  if (type.params().empty()) return type;
  std::vector<Type> params;
  for (const Type& param : type.params()) {
    params.push_back(Resolve(param, final));
  }
  return type.With(std::move(params));
}

Type Unifier::Instantiate(const Type& type, Renamed& renamed) {
  if (type.Is(Kind::kParam)) {
    const auto found = renamed.find(type.name());
    if (found != renamed.end()) return found->second;
    return renamed.emplace(type.name(), Fresh()).first->second;
  }
  if (type.params().empty()) return type;
  std::vector<Type> params;
  for (const Type& param : type.params()) {
    params.push_back(Instantiate(param, renamed));
  }
  return type.With(std::move(params));
}

std::optional<Type> Unifier::Fit(const Overload& overload,
                                 absl::Span<const Type> args) {
  if (overload.args.size() != args.size()) return std::nullopt;
  Renamed renamed;
  const size_t mark = trail_.size();
  for (size_t i = 0; i < args.size(); ++i) {
    // Null may stand for a time or an abstract value among the elements of a
    // list, but no function of those takes it.
    const bool null_for_value =
        args[i].Is(Kind::kNull) && (overload.args[i].Is(Kind::kTimestamp) ||
                                    overload.args[i].Is(Kind::kDuration) ||
                                    overload.args[i].Is(Kind::kAbstract));
    if (!null_for_value &&
        Agree(args[i], Instantiate(overload.args[i], renamed))) {
      continue;
    }
    UndoTo(mark);
    return std::nullopt;
  }
  return Resolve(Instantiate(overload.result, renamed), /*final=*/false);
}

bool Unifier::AgreeAll(const std::vector<Type>& a, const std::vector<Type>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!Agree(a[i], b[i])) return false;
  }
  return true;
}

bool Unifier::Agree(const Type& a, const Type& b) {
  if (!Step()) return false;
  if (b.Is(Kind::kParam)) {
    bool bound = false;
    if (Bind(b, a, &bound)) return true;
    if (bound) return false;
  }
  if (a.Is(Kind::kParam)) {
    bool bound = false;
    return Bind(a, b, &bound);
  }
  if (a.IsDyn() || b.IsDyn()) return true;
  if (a.Is(Kind::kNull)) return IsNullable(b);
  if (b.Is(Kind::kNull)) return IsNullable(a);
  // A wrapper is read as its scalar, and a scalar set as its wrapper.
  if (a.Is(Kind::kWrapper)) {
    return a.element() == (b.Is(Kind::kWrapper) ? b.element() : b);
  }
  if (b.Is(Kind::kWrapper)) return b.element() == a;
  if (a.kind() != b.kind() || a.name() != b.name()) return false;
  return a.Is(Kind::kType) || AgreeAll(a.params(), b.params());
}

// `bound`: the variable stood for something before.
bool Unifier::Bind(const Type& variable, const Type& type, bool* bound) {
  *bound = false;
  if (type == variable) {
    *bound = true;
    return true;
  }
  const auto found = bindings_.find(variable.name());
  if (found == bindings_.end()) {
    if (Mentions(type, variable.name())) return false;
    Set(variable.name(), type);
    return true;
  }
  *bound = true;
  const Type now = found->second;
  if (now == type) return true;
  if (!Agree(type, now)) return false;
  Type general = MostGeneral(type, now);
  if (!Mentions(general, variable.name())) {
    Set(variable.name(), std::move(general));
  }
  return true;
}

bool Unifier::Mentions(const Type& type, const std::string& variable) const {
  if (!Step()) return true;
  if (type.Is(Kind::kParam)) {
    if (type.name() == variable) return true;
    const auto found = bindings_.find(type.name());
    return found != bindings_.end() && Mentions(found->second, variable);
  }
  return std::any_of(
      type.params().begin(), type.params().end(),
      [&](const Type& param) { return Mentions(param, variable); });
}

}  // namespace kms::cel
