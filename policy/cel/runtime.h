// Runs functions and operators on values. Dispatch is by the values' own
// kinds, so that it serves dyn operands too; the checker has made sure that
// typed ones fit.
// Source: cel-spec, doc/langdef.md, "List of Standard Definitions".
// Thread-compatible: one Runtime for each evaluation.
#ifndef POLICY_CEL_RUNTIME_H_
#define POLICY_CEL_RUNTIME_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "google/protobuf/arena.h"
#include "policy/cel/functions.h"
#include "policy/cel/value.h"
#include "re2/re2.h"

namespace kms::cel {

// Null for success, else why not: constant text that names no value, because
// it may reach a workload.
using Error = const char*;

inline constexpr char kCostExceeded[] = "evaluation cost limit exceeded";

class Runtime {
 public:
  // Texts and lists that functions make are owned by `arena`.
  Runtime(google::protobuf::Arena& arena, uint64_t cost_limit)
      : arena_(arena), cost_limit_(cost_limit), cost_left_(cost_limit) {}

  google::protobuf::Arena& arena() { return arena_; }
  uint64_t cost() const { return cost_limit_ - cost_left_; }

  // Takes `steps` from what is left; false, and nothing left, if there are
  // fewer. Counted by sizes alone, so every instance agrees.
  bool Charge(uint64_t steps) {
    if (steps > cost_left_) {
      cost_left_ = 0;
      return false;
    }
    cost_left_ -= steps;
    return true;
  }
  bool ChargeBytes(size_t bytes) { return Charge(1 + bytes / 16); }

  // `args` are as many as an overload of `function` takes.
  Error Call(Function function, absl::Span<const Value> args, Value* out);

  // matches() with a pattern compiled beforehand.
  Error Match(const RE2& pattern, absl::string_view text, Value* out);

  // The value under `key` in `map`; kNoSuchKey if there is none.
  Error Lookup(const Value& map, const Value& key, Value* out);

  // Owned by the arena. Items begin as null.
  Value MakeText(Value::Kind kind, std::string text);
  absl::Span<Value> MakeItems(size_t size);

 private:
  Error Equal(const Value& a, const Value& b, bool* out);
  Error EqualItems(const Value& a, const Value& b, bool* out);
  Error Order(Function function, const Value& a, const Value& b, Value* out);
  Error In(const Value& needle, const Value& haystack, Value* out);
  Error Index(const Value& operand, const Value& index, Value* out);
  Error Concatenate(const Value& a, const Value& b, Value* out);
  Error DynamicMatch(const Value& text, const Value& pattern, Value* out);

  google::protobuf::Arena& arena_;
  const uint64_t cost_limit_;
  uint64_t cost_left_;
};

inline constexpr char kNoSuchKey[] = "no such key in the map";

// Options for every pattern: UTF-8, quiet, bounded memory.
RE2::Options PatternOptions();

}  // namespace kms::cel

#endif  // POLICY_CEL_RUNTIME_H_
