#include "policy/cel/macros.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace kms::cel {
namespace {

// receiver.name(variable, [variable2,] expression[, expression2])
struct Comprehension {
  const char* name;
  size_t args;
  size_t variables;
  Expr::Macro macro;
};
constexpr Comprehension kComprehensions[] = {
    {"all", 2, 1, Expr::Macro::kAll},
    {"exists", 2, 1, Expr::Macro::kExists},
    {"exists_one", 2, 1, Expr::Macro::kExistsOne},
    {"existsOne", 2, 1, Expr::Macro::kExistsOne},
    {"filter", 2, 1, Expr::Macro::kFilter},
    {"map", 2, 1, Expr::Macro::kMap},
    {"map", 3, 1, Expr::Macro::kMap},
    {"all", 3, 2, Expr::Macro::kAll},
    {"exists", 3, 2, Expr::Macro::kExists},
    {"exists_one", 3, 2, Expr::Macro::kExistsOne},
    {"existsOne", 3, 2, Expr::Macro::kExistsOne},
    {"transformList", 3, 2, Expr::Macro::kTransformList},
    {"transformList", 4, 2, Expr::Macro::kTransformList},
    {"transformMap", 3, 2, Expr::Macro::kTransformMap},
    {"transformMap", 4, 2, Expr::Macro::kTransformMap},
    {"transformMapEntry", 3, 2, Expr::Macro::kTransformMapEntry},
    {"transformMapEntry", 4, 2, Expr::Macro::kTransformMapEntry},
    {"optMap", 2, 1, Expr::Macro::kOptMap},
    {"optFlatMap", 2, 1, Expr::Macro::kOptFlatMap},
};

class Expander {
 public:
  Expander(AstBuilder& builder, const CallSite& call)
      : builder_(builder), call_(call) {}

  std::optional<ExprId> Has() {
    if (call_.name != "has") return std::nullopt;
    if (Count() != 1 || At(0).kind != Expr::Kind::kSelect) {
      return builder_.Fail(call_.span.begin,
                           "has() takes one field, as in has(claims.cpu)");
    }
    Expr& select = builder_.at(call_.args[0]);
    select.kind = Expr::Kind::kHas;
    select.span = call_.span;
    return call_.args[0];
  }

  std::optional<ExprId> Over(ExprId range) {
    for (const Comprehension& row : kComprehensions) {
      if (call_.name != row.name || Count() != row.args) continue;
      Expr expr;
      expr.kind = Expr::Kind::kComprehension;
      expr.macro = row.macro;
      if (!Variable(0, &expr.name)) return 0;
      if (row.variables == 2) {
        if (!Variable(1, &expr.name2)) return 0;
        if (expr.name == expr.name2) {
          return builder_.Fail(
              At(1).span.begin,
              absl::StrCat("variables of ", call_.name, "() have one name"));
        }
      }
      expr.name_begin = call_.name_begin;
      expr.args.push_back(range);
      expr.args.insert(expr.args.end(),
                       call_.args.begin() + static_cast<int>(row.variables),
                       call_.args.end());
      return builder_.Add(call_.span, std::move(expr));
    }
    return std::nullopt;
  }

  std::optional<ExprId> OfCel(bool block) {
    if (call_.name == "bind" && Count() == 3) {
      std::string name;
      if (!Variable(0, &name)) return 0;
      return builder_.AddName(call_.span, Expr::Kind::kBind, call_.name_begin,
                              std::move(name), {call_.args[1], call_.args[2]});
    }
    if (!block) return std::nullopt;
    if (call_.name == "block" && Count() == 2) return Block();
    if (call_.name == "index" && Count() == 1) return Placed(kIndexPrefix);
    if (call_.name == "iterVar" && Count() == 2) return Placed("@it:");
    if (call_.name == "accuVar" && Count() == 2) return Placed("@ac:");
    return std::nullopt;
  }

  // proto.getExt(message, package.extension), and hasExt.
  std::optional<ExprId> OfProto() {
    const bool get = call_.name == "getExt";
    if ((!get && call_.name != "hasExt") || Count() != 2) return std::nullopt;
    const std::string name = builder_.QualifiedName(call_.args[1]);
    if (name.empty()) {
      return builder_.Fail(At(1).span.begin,
                           "extension is not a qualified name");
    }
    return builder_.AddName(
        call_.span, get ? Expr::Kind::kSelect : Expr::Kind::kHas,
        At(1).span.begin, std::string(absl::StripPrefix(name, ".")),
        {call_.args[0]});
  }

  // math.greatest(a, b, c) is math.greatest([a, b, c]).
  std::optional<ExprId> OfMath(ExprId receiver) {
    if ((call_.name != "greatest" && call_.name != "least") || Count() < 3) {
      return std::nullopt;
    }
    const ExprId list =
        builder_.AddKind(call_.span, Expr::Kind::kList, call_.args);
    return builder_.AddCall(call_.span, call_.name_begin, call_.name,
                            /*member=*/true, {receiver, list});
  }

 private:
  size_t Count() const { return call_.args.size(); }
  const Expr& At(size_t i) { return builder_.at(call_.args[i]); }

  bool Variable(size_t i, std::string* name) {
    const Expr& expr = At(i);
    if (expr.kind != Expr::Kind::kIdentifier || expr.name[0] == '.') {
      builder_.Fail(expr.span.begin,
                    absl::StrCat(i == 0 ? "first" : "second", " argument of ",
                                 call_.name, "() must be a plain name"));
      return false;
    }
    *name = expr.name;
    return true;
  }

  ExprId Block() {
    const Expr& list = At(0);
    if (list.kind != Expr::Kind::kList || !list.entries.empty()) {
      return builder_.Fail(list.span.begin,
                           "first argument of block() must be a list");
    }
    std::vector<ExprId> args = list.args;
    args.push_back(call_.args[1]);
    return builder_.AddKind(call_.span, Expr::Kind::kBlock, std::move(args));
  }

  // A name made of a prefix and numbers: @index0, @it:0:1.
  ExprId Placed(absl::string_view prefix) {
    std::string name(prefix);
    for (size_t i = 0; i < Count(); ++i) {
      if (At(i).kind != Expr::Kind::kInt || At(i).int_value < 0) {
        return builder_.Fail(
            At(i).span.begin,
            absl::StrCat("argument of ", call_.name, "() must be a number"));
      }
      absl::StrAppend(&name, i == 0 ? "" : ":", At(i).int_value);
    }
    return builder_.AddName(call_.span, Expr::Kind::kIdentifier,
                            call_.name_begin, std::move(name), {});
  }

  AstBuilder& builder_;
  const CallSite& call_;
};

}  // namespace

std::optional<ExprId> ExpandGlobalMacro(AstBuilder& builder,
                                        const ParseOptions& options,
                                        const CallSite& call) {
  if (!options.macros || builder.failed()) return std::nullopt;
  return Expander(builder, call).Has();
}

std::optional<ExprId> ExpandMemberMacro(AstBuilder& builder,
                                        const ParseOptions& options,
                                        ExprId receiver, const CallSite& call) {
  if (!options.macros || builder.failed()) return std::nullopt;
  Expander expander(builder, call);
  const std::string scope = builder.QualifiedName(receiver);
  if (scope == "cel") {
    if (const auto id = expander.OfCel(options.block_macros)) return id;
  } else if (scope == "proto") {
    if (const auto id = expander.OfProto()) return id;
  } else if (scope == "math") {
    if (const auto id = expander.OfMath(receiver)) return id;
  }
  return expander.Over(receiver);
}

}  // namespace kms::cel
