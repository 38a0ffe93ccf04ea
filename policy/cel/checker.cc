#include "policy/cel/checker.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace kms::cel {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Kind = Type::Kind;

// Recursion is bounded by the height of the tree. After the first fault the
// types are meaningless, and Check drops them.
class Checker {
 public:
  Checker(const Ast& ast, const Environment& environment, Issue& issue)
      : ast_(ast), environment_(environment), issue_(issue) {
    tree_.meanings.resize(ast.nodes.size());
    tree_.slot_count = environment.variable_count();
  }

  CheckedTree Run() {
    tree_.type = TypeOf(ast_.root);
    return std::move(tree_);
  }

 private:
  struct Local {
    absl::string_view name;
    uint32_t slot;
    Type type;
  };

  Type Fail(const Expr& at, std::string text) {
    return FailAt(at.span.begin, std::move(text));
  }
  Type FailAt(uint32_t offset, std::string text) {
    issue_.Raise(offset, std::move(text));
    return Type();
  }

  Type TypeOf(ExprId id) {
    const Expr& expr = ast_[id];
    if (issue_.raised()) return Type();
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
      case Expr::Kind::kComprehension:
        return Comprehension(id);
    }
    return Type();
  }

  void WantBool(ExprId id, absl::string_view where) {
    const Type type = TypeOf(id);
    if (!Compatible(type, Kind::kBool)) {
      Fail(ast_[id], absl::StrCat("operand of ", where, " is ", type.Name(),
                                  ", want bool"));
    }
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
    Meaning& meaning = tree_.meanings[id];
    if (const auto* variable = environment_.FindVariable(name)) {
      meaning.kind = Meaning::Kind::kVariable;
      meaning.slot = variable->slot;
      return variable->type;
    }
    if (const auto constant = environment_.FindConstant(name)) {
      meaning.kind = Meaning::Kind::kConstant;
      meaning.constant = *constant;
      return Type(Kind::kInt);
    }
    return std::nullopt;
  }

  Type Identifier(ExprId id) {
    const Expr& expr = ast_[id];
    if (const Local* local = FindLocal(expr.name)) {
      tree_.meanings[id].kind = Meaning::Kind::kVariable;
      tree_.meanings[id].slot = local->slot;
      return local->type;
    }
    if (const auto type = Declared(id)) return *type;
    return FailAt(expr.span.begin, Unknown(expr.name));
  }

  std::string Unknown(absl::string_view name) const {
    std::vector<std::string> names = environment_.Names();
    for (const Local& local : locals_) names.emplace_back(local.name);
    return absl::StrCat("unknown name '", name, "'", Suggest(name, names));
  }

  Type Select(ExprId id) {
    if (const auto type = Declared(id)) return *type;
    // A chain whose first name is only the prefix of declared names
    // ("reference.imagse") is reported whole.
    const std::string name = QualifiedName(id);
    if (!name.empty() && IsPrefixOfDeclared(ast_[id].args[0])) {
      return Fail(ast_[id], Unknown(name));
    }
    return Field(id);
  }

  bool IsPrefixOfDeclared(ExprId operand) const {
    const std::string name = QualifiedName(operand);
    if (environment_.FindVariable(name) != nullptr) return false;
    const std::vector<std::string> names = environment_.Names();
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
      return absl::StartsWith(n, name + ".");
    });
  }

  // The field of a select or has().
  Type Field(ExprId id) {
    const Expr& expr = ast_[id];
    const Type operand = TypeOf(expr.args[0]);
    if (issue_.raised() || operand.Is(Kind::kDyn)) return Type();
    if (operand.Is(Kind::kMap)) {
      if (!Compatible(operand.key(), Kind::kString)) {
        return FailAt(expr.name_begin,
                      absl::StrCat("keys of the map are ", operand.key().Name(),
                                   ", want string"));
      }
      return operand.value();
    }
    if (!operand.Is(Kind::kMessage)) {
      return FailAt(expr.name_begin,
                    absl::StrCat(operand.Name(), " has no fields"));
    }
    const Descriptor* message = operand.message();
    const FieldDescriptor* field = message->FindFieldByName(expr.name);
    if (field == nullptr) {
      return FailAt(expr.name_begin, UnknownField(message, expr.name));
    }
    tree_.meanings[id].field = field;
    const Type type = Type::OfField(field);
    if (type.Is(Kind::kMessage) &&
        type.message()->file()->package() == "google.protobuf") {
      return FailAt(
          expr.name_begin,
          absl::StrCat("fields of type ", type.Name(), " are not supported"));
    }
    return type;
  }

  static std::string UnknownField(const Descriptor* message,
                                  absl::string_view name) {
    std::vector<std::string> names;
    for (int i = 0; i < message->field_count(); ++i) {
      names.push_back(message->field(i)->name());
    }
    return absl::StrCat(message->full_name(), " has no field '", name, "'",
                        Suggest(name, names));
  }

  Type Call(ExprId id) {
    const Expr& expr = ast_[id];
    std::vector<Type> args;
    for (const ExprId arg : expr.args) args.push_back(TypeOf(arg));
    if (issue_.raised()) return Type();
    const Resolved resolved = ResolveOverload(expr.name, expr.member, args);
    if (resolved.function == Function::kNone) {
      return FailAt(expr.name_begin, NoOverload(expr, args));
    }
    tree_.meanings[id].function = resolved.function;
    return resolved.result;
  }

  static std::string NoOverload(const Expr& expr,
                                const std::vector<Type>& args) {
    std::vector<std::string> names;
    bool known = false;
    for (const Overload& overload : Overloads()) {
      known |= overload.name == expr.name &&
               (expr.member ? overload.member : overload.global);
      if (DisplayName(overload.name) == absl::StrCat(overload.name, "()")) {
        names.emplace_back(overload.name);
      }
    }
    if (!known) {
      return absl::StrCat("unknown function '", expr.name, "'",
                          Suggest(expr.name, names));
    }
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
    return absl::StrCat(DisplayName(expr.name), " does not take (", types, ")",
                        hint);
  }

  Type Conditional(const Expr& expr) {
    WantBool(expr.args[0], "?:");
    const Type yes = TypeOf(expr.args[1]);
    const Type no = TypeOf(expr.args[2]);
    if (!Compatible(yes, no)) {
      return Fail(ast_[expr.args[2]],
                  absl::StrCat("branches of ?: are ", yes.Name(), " and ",
                               no.Name(), ", want one type"));
    }
    return no.Is(Kind::kDyn) || yes.Is(Kind::kNull) ? no : yes;
  }

  // The one type of every `stride`-th argument, or dyn.
  Type Common(const Expr& expr, size_t first, size_t stride) {
    std::optional<Type> common;
    for (size_t i = first; i < expr.args.size(); i += stride) {
      const Type type = TypeOf(expr.args[i]);
      if (!common.has_value() || type.Is(Kind::kDyn)) {
        common = type;
      } else if (!Compatible(*common, type)) {
        if (environment_.homogeneous_literals()) {
          return Fail(ast_[expr.args[i]],
                      absl::StrCat("literal mixes ", common->Name(), " and ",
                                   type.Name(), ", want one type"));
        }
        common = Type();
      }
    }
    return common.value_or(Type());
  }

  Type MapLiteral(const Expr& expr) {
    Type key = Common(expr, 0, 2);
    Type value = Common(expr, 1, 2);
    for (size_t i = 0; i < expr.args.size() && !issue_.raised(); i += 2) {
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

  Type Comprehension(ExprId id) {
    const Expr& expr = ast_[id];
    const Type range = TypeOf(expr.args[0]);
    Type element;
    if (range.Is(Kind::kList)) {
      element = range.element();
    } else if (range.Is(Kind::kMap)) {
      element = range.key();
    } else if (!range.Is(Kind::kDyn)) {
      return Fail(ast_[expr.args[0]], absl::StrCat("macro over ", range.Name(),
                                                   ", want a list or a map"));
    }
    const uint32_t slot =
        environment_.variable_count() + static_cast<uint32_t>(locals_.size());
    tree_.meanings[id].slot = slot;
    tree_.slot_count = std::max(tree_.slot_count, slot + 1);
    locals_.push_back({expr.name, slot, element});
    Type result = Kind::kBool;
    if (expr.macro == Expr::Macro::kMap) {
      if (expr.args.size() == 3) WantBool(expr.args[1], "map()");
      result = Type::List(TypeOf(expr.args.back()));
    } else {
      WantBool(expr.args[1], "a macro");
      if (expr.macro == Expr::Macro::kFilter) result = Type::List(element);
    }
    locals_.pop_back();
    return result;
  }

  const Ast& ast_;
  const Environment& environment_;
  Issue& issue_;
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
