#include "policy/cel/trace.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "policy/cel/functions.h"
#include "policy/cel/limits.h"
#include "policy/cel/render.h"

namespace kms::cel {
namespace {

// Functions of two operands that people read as "left is wanted to be right".
constexpr absl::string_view kComparisons[] = {
    "_==_",    "_!=_",       "_<_",         "_<=_",     "_>_",
    "_>=_",    "@in",        "startsWith",  "endsWith", "contains",
    "matches", "containsIP", "containsCIDR"};

bool IsComparison(const Expr& expr) {
  return expr.args.size() == 2 &&
         std::find(std::begin(kComparisons), std::end(kComparisons),
                   expr.name) != std::end(kComparisons);
}

class Tracer {
 public:
  explicit Tracer(Evaluator& evaluator)
      : evaluator_(evaluator), code_(evaluator.code()) {}

  // Finds out why `id` is not `wanted`; adds nothing if it is after all.
  void Why(ExprId id, bool wanted) {
    if (failures_.size() >= kFailuresMax) return;
    Value value;
    if (!evaluator_.Eval(id, &value)) {
      return Add(evaluator_.error_at(), evaluator_.error(), "");
    }
    if (!value.Is(Value::Kind::kBool) || value.bool_value() == wanted) return;
    const Expr& expr = code_.ast[id];
    switch (expr.kind) {
      case Expr::Kind::kAnd:
        return Chain(id, expr, /*deciding=*/false, wanted);
      case Expr::Kind::kOr:
        return Chain(id, expr, /*deciding=*/true, wanted);
      case Expr::Kind::kConditional: {
        Value condition;
        if (!evaluator_.Eval(expr.args[0], &condition)) break;
        return Why(expr.args[condition.bool_value() ? 1 : 2], wanted);
      }
      case Expr::Kind::kComprehension:
        return Comprehension(id, expr, wanted);
      case Expr::Kind::kCall:
        return Call(id, expr, wanted);
      case Expr::Kind::kBind:
      case Expr::Kind::kBlock:  // Its variables are set: it was evaluated.
        return Why(expr.args.back(), wanted);
      default:
        break;
    }
    Plain(id, wanted);
  }

  std::vector<Failure> Take() { return std::move(failures_); }

 private:
  void Add(ExprId id, std::string seen, std::string wanted) {
    failures_.push_back(
        {code_.ast[id].span, std::move(seen), std::move(wanted)});
  }
  void Plain(ExprId id, bool wanted) {
    Add(id, wanted ? "false" : "true", wanted ? "true" : "false");
  }

  // If the operand that decides is what is not wanted, the first such operand
  // is to blame; else all of them are.
  void Chain(ExprId id, const Expr& expr, bool deciding, bool wanted) {
    const size_t before = failures_.size();
    for (const ExprId arg : expr.args) {
      Why(arg, wanted);
      if (deciding != wanted && failures_.size() > before) return;
    }
    if (failures_.size() == before) Plain(id, wanted);
  }

  // all() that is false, or exists() that should be: the element to blame.
  void Comprehension(ExprId id, const Expr& expr, bool wanted) {
    const bool blames_one = (expr.macro == Expr::Macro::kAll && wanted) ||
                            (expr.macro == Expr::Macro::kExists && !wanted);
    Value range;
    if (!evaluator_.Eval(expr.args[0], &range)) return Plain(id, wanted);
    const size_t before = failures_.size();
    const size_t size = range.size();
    for (size_t i = 0; blames_one && i < size; ++i) {
      if (!evaluator_.SetVariables(id, range, i)) break;
      Why(expr.args[1], wanted);
      if (failures_.size() > before) return;
    }
    Add(id,
        absl::StrCat(wanted ? "false" : "true", " over ", size, " elements"),
        wanted ? "true" : "false");
  }

  void Call(ExprId id, const Expr& expr, bool wanted) {
    if (expr.name == "!_") return Why(expr.args[0], !wanted);
    Value left;
    Value right;
    if (!IsComparison(expr) || !evaluator_.Eval(expr.args[0], &left) ||
        !evaluator_.Eval(expr.args[1], &right)) {
      return Plain(id, wanted);
    }
    const std::string name = DisplayName(expr.name);
    const std::string shown =
        absl::StrCat(absl::StripSuffix(name, "()"), " ", Render(right));
    Add(id, Render(left), wanted ? shown : absl::StrCat("not ", shown));
  }

  Evaluator& evaluator_;
  const Code& code_;
  std::vector<Failure> failures_;
};

}  // namespace

std::vector<Failure> Explain(Evaluator& evaluator) {
  Tracer tracer(evaluator);
  tracer.Why(evaluator.code().ast.root, /*wanted=*/true);
  return tracer.Take();
}

}  // namespace kms::cel
