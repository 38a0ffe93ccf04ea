// What one evaluation has at hand: memory, the types it may meet, and a meter
// of steps.
// Thread-compatible: one Context for each evaluation.
#ifndef POLICY_CEL_CONTEXT_H_
#define POLICY_CEL_CONTEXT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/types/span.h"
#include "google/protobuf/arena.h"
#include "policy/cel/limits.h"
#include "policy/cel/schema.h"
#include "policy/cel/value.h"

namespace kms::cel {

inline constexpr char kCostExceeded[] = "evaluation cost limit exceeded";
inline constexpr char kNoOverload[] = "no overload for these values";
inline constexpr char kTooDeep[] = "value is nested too deeply";

class Context {
 public:
  // Texts, lists and messages that functions make are owned by `arena`.
  Context(google::protobuf::Arena& arena, const Schema& schema,
          uint64_t cost_limit)
      : arena_(arena),
        schema_(schema),
        cost_limit_(cost_limit),
        cost_left_(cost_limit) {}

  google::protobuf::Arena& arena() { return arena_; }
  const Schema& schema() const { return schema_; }
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

  // Owned by the arena. Items begin as null.
  Value MakeText(Value::Kind kind, std::string text) {
    const auto* owned =
        google::protobuf::Arena::Create<std::string>(&arena_, std::move(text));
    return kind == Value::Kind::kString ? Value::String(*owned)
                                        : Value::Bytes(*owned);
  }
  absl::Span<Value> MakeItems(size_t size) {
    static_assert(alignof(Value) == alignof(uint64_t) &&
                      std::is_trivially_destructible_v<Value>,
                  "the arena gives words, and forgets them");
    auto* owned =
        reinterpret_cast<Value*>(google::protobuf::Arena::CreateArray<uint64_t>(
            &arena_, size * (sizeof(Value) / sizeof(uint64_t))));
    std::uninitialized_fill_n(owned, size, Value());
    return {owned, size};
  }
  Value MakeOptional(const Value& value) {
    absl::Span<Value> items = MakeItems(1);
    items[0] = value;
    return Value::Optional(items);
  }

  // One level of recursion over values; false beyond kValueDepthMax.
  class Level {
   public:
    explicit Level(Context& context) : depth_(context.depth_) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    bool ok() const { return depth_ <= kValueDepthMax; }

   private:
    int& depth_;
  };

 private:
  google::protobuf::Arena& arena_;
  const Schema& schema_;
  const uint64_t cost_limit_;
  uint64_t cost_left_;
  int depth_ = 0;
};

}  // namespace kms::cel

#endif  // POLICY_CEL_CONTEXT_H_
