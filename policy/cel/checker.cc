#include "policy/cel/checker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/cel/faults.h"
#include "policy/cel/limits.h"
#include "policy/cel/unify.h"

namespace kms::cel {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Kind = Type::Kind;

constexpr char kUndeclared[] = "undeclared reference";
constexpr char kUnbound[] = "unbound function";
constexpr char kTooLarge[] = "types of the expression are too large";

bool IsTooLarge(const Type& type, size_t* left) {
  if (*left == 0) return true;
  --*left;
  return std::any_of(
      type.params().begin(), type.params().end(),
      [&](const Type& param) { return IsTooLarge(param, left); });
}

bool IsTooLarge(const Type& type) {
  size_t left = kTypeNodesMax;
  return IsTooLarge(type, &left);
}

// Recursion is bounded by the height of the tree. After the first fault the
// types are meaningless, and Check drops them. Where the environment is not
// checked, everything is dyn, and what has no meaning is an error in place.
class Checker {
 public:
  Checker(const Ast& ast, const Environment& environment, Issue& issue)
      : ast_(ast),
        environment_(environment),
        checked_(environment.checked()),
        issue_(issue) {
    tree_.meanings.resize(ast.nodes.size());
    tree_.slot_count = environment.variable_count();
  }

  CheckedTree Run() {
    tree_.type = unifier_.Resolve(TypeOf(ast_.root), /*final=*/true);
    HoldSize(tree_.type, ast_.root);
    return std::move(tree_);
  }

 private:
  struct Local {
    absl::string_view name;
    uint32_t slot;
    Type type;
    std::optional<ExprId> lazy;
  };

  Type Fail(const Expr& at, std::string text) {
    return FailAt(at.span.begin, std::move(text));
  }
  Type FailAt(uint32_t offset, std::string text) {
    issue_.Raise(offset, unifier_.exhausted() ? kTooLarge : std::move(text));
    return Type();
  }
  void HoldSize(const Type& type, ExprId id) {
    if (unifier_.exhausted() || IsTooLarge(type)) Fail(ast_[id], kTooLarge);
  }
  // A fault of checked expressions; in others the node is that error.
  Type Undeclared(ExprId id, uint32_t offset, std::string text, Error error) {
    if (checked_) return FailAt(offset, std::move(text));
    tree_.meanings[id].kind = Meaning::Kind::kError;
    tree_.meanings[id].error = error;
    return Type();
  }

  std::string Name(const Type& type) const {
    const Type resolved = unifier_.Resolve(type, /*final=*/true);
    return IsTooLarge(resolved) ? "a large type" : resolved.Name();
  }

  Type TypeOf(ExprId id) {
    if (issue_.raised()) return Type();
    Type type = Infer(id);
    HoldSize(type, id);
    return checked_ ? type : Type();
  }

  // As TypeOf, but a type variable that stands for something is replaced, and
  // one that does not is dyn from here on.
  Type Known(ExprId id) {
    Type type = unifier_.Resolve(TypeOf(id), /*final=*/false);
    if (!type.Is(Kind::kParam)) return type;
    unifier_.Assign(type, Type());
    return Type();
  }

  Type Infer(ExprId id) {
    const Expr& expr = ast_[id];
    switch (expr.kind) {
      case Expr::Kind::kNull:
        return Kind::kNull;
      case Expr::Kind::kBool:
        return Kind::kBool;
      case Expr::Kind::kInt:
        return Kind::kInt;
      case Expr::Kind::kUint:
        return Kind::kUint;
      case Expr::Kind::kDouble:
        return Kind::kDouble;
      case Expr::Kind::kString:
        return Kind::kString;
      case Expr::Kind::kBytes:
        return Kind::kBytes;
      case Expr::Kind::kIdentifier:
        return Identifier(id);
      case Expr::Kind::kSelect:
        return Select(id);
      case Expr::Kind::kOptionalSelect:
        return AsOptional(Field(id));
      case Expr::Kind::kHas:
        Field(id);
        return Kind::kBool;
      case Expr::Kind::kCall:
        return Call(id);
      case Expr::Kind::kAnd:
      case Expr::Kind::kOr:
        for (const ExprId arg : expr.args) {
          WantBool(arg, expr.kind == Expr::Kind::kAnd ? "&&" : "||");
        }
        return Kind::kBool;
      case Expr::Kind::kConditional:
        return Conditional(expr);
      case Expr::Kind::kList:
        return Type::List(Common(expr, 0, 1));
      case Expr::Kind::kMap:
        return MapLiteral(expr);
      case Expr::Kind::kMessage:
        return Message(id);
      case Expr::Kind::kComprehension:
        return Comprehension(id);
      case Expr::Kind::kBind: {
        const Type type = TypeOf(expr.args[0]);
        tree_.meanings[id].slot = Push(expr.name, type);
        Type result = TypeOf(expr.args[1]);
        locals_.pop_back();
        return result;
      }
      case Expr::Kind::kBlock:
        return Block(expr);
    }
    return Type();
  }

  static Type AsOptional(Type type) {
    return type.IsOptional() ? type : Type::Optional(std::move(type));
  }

  void WantBool(ExprId id, absl::string_view where) {
    const Type type = TypeOf(id);
    if (!unifier_.Assign(Kind::kBool, type)) {
      Fail(ast_[id], absl::StrCat("operand of ", where, " is ", Name(type),
                                  ", want bool"));
    }
  }

  // Each has a slot of its own: what a block holds is read inside others.
  uint32_t Push(absl::string_view name, Type type,
                std::optional<ExprId> lazy = std::nullopt) {
    locals_.push_back({name, tree_.slot_count, std::move(type), lazy});
    return tree_.slot_count++;
  }

  Type Block(const Expr& expr) {
    const size_t inits = expr.args.size() - 1;
    std::vector<std::string> names(inits);
    for (size_t i = 0; i < inits; ++i) {
      names[i] = absl::StrCat(kIndexPrefix, i);
      const Type type = TypeOf(expr.args[i]);
      Push(names[i], type, expr.args[i]);
    }
    Type result = TypeOf(expr.args.back());
    locals_.resize(locals_.size() - inits);
    return result;
  }

  // "a.b.c" if the node is a plain chain of names that no macro variable
  // begins; else "".
  std::string QualifiedName(ExprId id) const {
    const Expr& expr = ast_[id];
    if (expr.kind == Expr::Kind::kIdentifier) {
      return FindLocal(expr.name) == nullptr ? expr.name : "";
    }
    if (expr.kind != Expr::Kind::kSelect) return "";
    const std::string operand = QualifiedName(expr.args[0]);
    return operand.empty() ? "" : absl::StrCat(operand, ".", expr.name);
  }

  const Local* FindLocal(absl::string_view name) const {
    const auto found =
        std::find_if(locals_.rbegin(), locals_.rend(),
                     [&](const Local& local) { return local.name == name; });
    return found == locals_.rend() ? nullptr : &*found;
  }

  // A declared name. The longest one wins: an outer select asks first.
  std::optional<Type> Declared(ExprId id) {
    const std::string name = QualifiedName(id);
    if (name.empty()) return std::nullopt;
    const auto found = environment_.Find(name);
    if (!found.has_value()) return std::nullopt;
    Meaning& meaning = tree_.meanings[id];
    if (found->variable != nullptr) {
      meaning.kind = Meaning::Kind::kVariable;
      meaning.slot = found->variable->slot;
    } else {
      meaning.kind = Meaning::Kind::kConstant;
      meaning.constant = found->constant;
    }
    return found->type;
  }

  Type Identifier(ExprId id) {
    const Expr& expr = ast_[id];
    if (const Local* local = FindLocal(expr.name)) {
      Meaning& meaning = tree_.meanings[id];
      meaning.kind = local->lazy.has_value() ? Meaning::Kind::kLazy
                                             : Meaning::Kind::kVariable;
      meaning.slot = local->slot;
      meaning.lazy = local->lazy.value_or(0);
      return local->type;
    }
    if (const auto type = Declared(id)) return *type;
    return Undeclared(id, expr.span.begin, Unknown(expr.name), kUndeclared);
  }

  std::string Unknown(absl::string_view name) const {
    std::vector<std::string> names = environment_.Names();
    for (const Local& local : locals_) names.emplace_back(local.name);
    return UnknownName(name, names);
  }

  Type Select(ExprId id) {
    if (const auto type = Declared(id)) return *type;
    // A chain whose first name is only the prefix of declared names
    // ("reference.imagse") is reported whole.
    const std::string name = QualifiedName(id);
    if (!name.empty() && IsPrefixOfDeclared(ast_[id].args[0])) {
      return Undeclared(id, ast_[id].span.begin, Unknown(name), kUndeclared);
    }
    return Field(id);
  }

  bool IsPrefixOfDeclared(ExprId operand) const {
    const std::string name = QualifiedName(operand);
    if (environment_.Find(name).has_value()) return false;
    const std::vector<std::string> names = environment_.Names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
      return absl::StartsWith(n, name + ".");
    });
  }

  // The field of a select or has(). Of an optional, an optional field.
  Type Field(ExprId id) {
    const Expr& expr = ast_[id];
    const Type operand = Known(expr.args[0]);
    if (issue_.raised() || operand.IsDyn()) return Type();
    if (operand.IsOptional()) {
      return AsOptional(
          FieldOf(id, unifier_.Resolve(operand.element(), false)));
    }
    return FieldOf(id, operand);
  }

  Type FieldOf(ExprId id, const Type& operand) {
    const Expr& expr = ast_[id];
    if (operand.IsDyn() || operand.Is(Kind::kParam)) return Type();
    if (operand.Is(Kind::kMap)) {
      if (!unifier_.Assign(operand.key(), Kind::kString)) {
        return FailAt(expr.name_begin,
                      absl::StrCat("keys of the map are ", Name(operand.key()),
                                   ", want string"));
      }
      return operand.value();
    }
    if (!operand.Is(Kind::kMessage)) {
      return FailAt(expr.name_begin,
                    absl::StrCat(Name(operand), " has no fields"));
    }
    const FieldDescriptor* field =
        environment_.schema().FindField(operand.message(), expr.name);
    if (field == nullptr) {
      return FailAt(expr.name_begin,
                    UnknownField(operand.message(), expr.name));
    }
    tree_.meanings[id].field = field;
    return Type::OfField(field, environment_.schema().strong_enums());
  }

  Type Call(ExprId id) {
    const Expr& expr = ast_[id];
    // math.abs(x) is no member call if "math.abs" is a function.
    std::string name = expr.name;
    bool member = expr.member;
    const std::string scope = member ? QualifiedName(expr.args[0]) : "";
    if (!scope.empty()) {
      const std::string full = absl::StrCat(scope, ".", expr.name);
      if (!environment_.FindFunction(full, /*member=*/false).empty() ||
          IsEnumType(full)) {
        name = full;
        member = false;
        tree_.meanings[id].skips_receiver = true;
      }
    }
    std::vector<Type> args;
    for (size_t i = tree_.meanings[id].skips_receiver ? 1 : 0;
         i < expr.args.size(); ++i) {
      args.push_back(TypeOf(expr.args[i]));
    }
    if (issue_.raised()) return Type();
    if (!member && IsEnumType(name)) return ToEnum(id, name, args);
    const auto overloads = environment_.FindFunction(name, member);
    std::optional<Type> result;
    for (const Overload* overload : overloads) {
      const auto fits = Fits(*overload, args);
      if (!fits.has_value()) continue;
      if (!result.has_value()) {
        tree_.meanings[id].run = overload->run;
        result = fits;
      } else if (*result != *fits) {
        result = Type();
      }
    }
    if (!result.has_value()) {
      return Undeclared(id, expr.name_begin,
                        WrongCall(name, !overloads.empty(), args),
                        overloads.empty() ? kUnbound : kNoOverload);
    }
    if (tree_.meanings[id].run == nullptr) {
      tree_.meanings[id].kind = Meaning::Kind::kError;
      tree_.meanings[id].error = kUnbound;
    }
    return *result;
  }

  std::optional<Type> Fits(const Overload& overload,
                           const std::vector<Type>& args) {
    // An enum that is no int converts to one.
    if (overload.name == "int" && args.size() == 1 &&
        unifier_.Resolve(args[0], false).Is(Kind::kEnum)) {
      return unifier_.Fit(overload, {Type(Kind::kInt)});
    }
    return unifier_.Fit(overload, args);
  }

  bool IsEnumType(const std::string& name) const {
    return environment_.schema().strong_enums() &&
           environment_.FindEnum(name) != nullptr;
  }

  Type ToEnum(ExprId id, const std::string& name,
              const std::vector<Type>& args) {
    Meaning& meaning = tree_.meanings[id];
    if (args.size() != 1 || (!unifier_.Assign(Kind::kInt, args[0]) &&
                             !unifier_.Assign(Kind::kString, args[0]))) {
      return Undeclared(id, ast_[id].name_begin,
                        absl::StrCat(name, "() takes an int or a string"),
                        kNoOverload);
    }
    meaning.kind = Meaning::Kind::kToEnum;
    meaning.enum_type = environment_.FindEnum(name);
    return Type::Enum(meaning.enum_type);
  }

  std::string WrongCall(const std::string& name, bool known,
                        std::vector<Type> args) const {
    if (!known) return UnknownFunction(name);
    for (Type& arg : args) arg = unifier_.Resolve(arg, /*final=*/true);
    return NoOverload(name, args);
  }

  Type Conditional(const Expr& expr) {
    WantBool(expr.args[0], "?:");
    const Type yes = TypeOf(expr.args[1]);
    const Type no = TypeOf(expr.args[2]);
    const auto both = unifier_.Join(yes, no);
    if (!both.has_value()) {
      return Fail(ast_[expr.args[2]],
                  absl::StrCat("branches of ?: are ", Name(yes), " and ",
                               Name(no), ", want one type"));
    }
    return *both;
  }

  // What entry `i` of a literal contributes: if optional, what is inside.
  Type EntryType(const Expr& expr, size_t entry, ExprId value) {
    const Type type = TypeOf(value);
    if (!expr.optional(entry)) return type;
    const Type inside = unifier_.Fresh();
    if (!unifier_.Assign(Type::Optional(inside), type)) {
      return Fail(ast_[value], absl::StrCat("optional entry is ", Name(type),
                                            ", want optional_type"));
    }
    return inside;
  }

  // The one type of every `stride`-th argument, or dyn; a new type variable if
  // there are none.
  Type Common(const Expr& expr, size_t first, size_t stride) {
    std::optional<Type> common;
    for (size_t i = first; i < expr.args.size(); i += stride) {
      const bool value = i % stride == stride - 1;
      const Type type = value ? EntryType(expr, i / stride, expr.args[i])
                              : TypeOf(expr.args[i]);
      if (issue_.raised()) return Type();
      if (!common.has_value()) {
        common = type;
        continue;
      }
      const auto joined = unifier_.Join(*common, type);
      if (!joined.has_value() && environment_.homogeneous_literals()) {
        return Fail(ast_[expr.args[i]],
                    absl::StrCat("literal mixes ", Name(*common), " and ",
                                 Name(type), ", want one type"));
      }
      common = joined.value_or(Type());
    }
    return common.has_value() ? *common : unifier_.Fresh();
  }

  Type MapLiteral(const Expr& expr) {
    Type key = Common(expr, 0, 2);
    Type value = Common(expr, 1, 2);
    for (size_t i = 0; checked_ && i < expr.args.size(); i += 2) {
      const Expr::Kind kind = ast_[expr.args[i]].kind;
      if (kind == Expr::Kind::kNull || kind == Expr::Kind::kDouble ||
          kind == Expr::Kind::kBytes || kind == Expr::Kind::kList ||
          kind == Expr::Kind::kMap) {
        return Fail(ast_[expr.args[i]],
                    "map key is not a bool, int, uint or string");
      }
    }
    return Type::Map(std::move(key), std::move(value));
  }

  Type Message(ExprId id) {
    const Expr& expr = ast_[id];
    Meaning& meaning = tree_.meanings[id];
    meaning.message = environment_.FindMessage(expr.name);
    meaning.fields_begin = static_cast<uint32_t>(tree_.fields.size());
    tree_.fields.resize(tree_.fields.size() + expr.entries.size());
    if (meaning.message == nullptr) {
      return Undeclared(id, expr.name_begin,
                        absl::StrCat("unknown message type '", expr.name, "'"),
                        kUndeclared);
    }
    for (size_t i = 0; i < expr.entries.size(); ++i) MessageField(id, i);
    return Type::Message(tree_.meanings[id].message);
  }

  void MessageField(ExprId id, size_t i) {
    const Expr& expr = ast_[id];
    const Meaning& meaning = tree_.meanings[id];
    const Expr::Entry& entry = expr.entries[i];
    const Type type = EntryType(expr, i, expr.args[i]);
    const FieldDescriptor* field =
        environment_.schema().FindField(meaning.message, entry.name);
    tree_.fields[meaning.fields_begin + i] = field;
    if (!checked_ || issue_.raised()) return;
    if (field == nullptr) {
      FailAt(entry.begin, UnknownField(meaning.message, entry.name));
      return;
    }
    for (size_t j = 0; j < i; ++j) {
      if (expr.entries[j].name == entry.name) {
        FailAt(entry.begin,
               absl::StrCat("field '", entry.name, "' is repeated"));
        return;
      }
    }
    const Type want =
        Type::OfField(field, environment_.schema().strong_enums());
    // The number of NullValue's only value is as good as null.
    const bool number_for_null = want.Is(Kind::kNull) && type.Is(Kind::kInt);
    if (!unifier_.Assign(want, type) && !number_for_null) {
      Fail(ast_[expr.args[i]], absl::StrCat("field '", entry.name, "' is ",
                                            Name(want), ", not ", Name(type)));
    }
  }

  // What the variables of a macro over `range` are: a list's elements or a
  // map's keys, or with two of them index and element, key and value.
  bool Variables(const Expr& expr, const Type& range, Type* first,
                 Type* second) {
    const bool two = !expr.name2.empty();
    if (range.Is(Kind::kList)) {
      *first = two ? Type(Kind::kInt) : range.element();
      *second = range.element();
    } else if (range.Is(Kind::kMap)) {
      *first = range.key();
      *second = range.value();
    } else if (!range.IsDyn()) {
      Fail(ast_[expr.args[0]],
           absl::StrCat("macro over ", Name(range), ", want a list or a map"));
      return false;
    }
    return true;
  }

  Type Comprehension(ExprId id) {
    const Expr& expr = ast_[id];
    const Type range = Known(expr.args[0]);
    if (issue_.raised()) return Type();
    const bool optional = expr.macro == Expr::Macro::kOptMap ||
                          expr.macro == Expr::Macro::kOptFlatMap;
    Type first;
    Type second;
    if (optional) {
      if (range.IsOptional()) first = range.element();
      if (!range.IsOptional() && !range.IsDyn()) {
        return Fail(ast_[expr.args[0]], absl::StrCat("macro over ", Name(range),
                                                     ", want optional_type"));
      }
    } else if (!Variables(expr, range, &first, &second)) {
      return Type();
    }
    const size_t locals = locals_.size();
    tree_.meanings[id].slot = Push(expr.name, first);
    if (!expr.name2.empty()) {
      tree_.meanings[id].slot2 = Push(expr.name2, second);
    }
    Type result = Body(expr, first);
    locals_.resize(locals);
    return result;
  }

  // The type of the macro, once its variables are known.
  Type Body(const Expr& expr, const Type& element) {
    if (expr.args.size() == 3) WantBool(expr.args[1], "a macro");
    switch (expr.macro) {
      case Expr::Macro::kAll:
      case Expr::Macro::kExists:
      case Expr::Macro::kExistsOne:
        WantBool(expr.args[1], "a macro");
        return Kind::kBool;
      case Expr::Macro::kFilter:
        WantBool(expr.args[1], "a macro");
        return Type::List(element);
      case Expr::Macro::kMap:
      case Expr::Macro::kTransformList:
        return Type::List(TypeOf(expr.args.back()));
      case Expr::Macro::kTransformMap:
        return Type::Map(element, TypeOf(expr.args.back()));
      case Expr::Macro::kTransformMapEntry: {
        const Type map = Type::Map(unifier_.Fresh(), unifier_.Fresh());
        return Want(expr.args.back(), map, "a map");
      }
      case Expr::Macro::kOptMap:
        return Type::Optional(TypeOf(expr.args.back()));
      case Expr::Macro::kOptFlatMap:
        return Want(expr.args.back(), Type::Optional(unifier_.Fresh()),
                    "optional_type");
    }
    return Type();
  }

  Type Want(ExprId id, const Type& want, absl::string_view name) {
    const Type type = TypeOf(id);
    if (unifier_.Assign(want, type)) return want;
    return Fail(ast_[id], absl::StrCat("result of a macro is ", Name(type),
                                       ", want ", name));
  }

  const Ast& ast_;
  const Environment& environment_;
  const bool checked_;
  Issue& issue_;
  Unifier unifier_;
  CheckedTree tree_;
  std::vector<Local> locals_;
};

}  // namespace

std::optional<CheckedTree> Check(const Ast& ast, const Environment& environment,
                                 Issue& issue) {
  CheckedTree tree = Checker(ast, environment, issue).Run();
  if (issue.raised()) return std::nullopt;
  return tree;
}

}  // namespace kms::cel
