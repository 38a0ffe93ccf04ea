// The bounds of the expression engine. Policies come from administrators, but
// every instance evaluates them in the release path, so one careless rule must
// not be able to stall it.
#ifndef POLICY_CEL_LIMITS_H_
#define POLICY_CEL_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace kms::cel {

// A page of text holds any rule; a document of rules is 64 KiB.
inline constexpr size_t kSourceBytesMax = 16 * 1024;

// Brackets, calls and ternaries inside each other. One level costs the parser
// about ten stack frames.
inline constexpr int kNestingMax = 64;

// The height of the syntax tree, which bounds every recursion over it. Chains
// of && and || do not count: they are one node. More than kNestingMax because
// a chain such as a + b + c grows a level with each operator.
inline constexpr int kHeightMax = 128;

// Syntax tree nodes of one expression.
inline constexpr size_t kNodesMax = 4096;

// Nodes of one type: map(string, list(int)) has four. A map of two maps is
// more than twice as large as either, so that a few levels would fill memory.
inline constexpr size_t kTypeNodesMax = 128;

// Steps of matching types with one another while an expression is checked; the
// largest honest one takes some hundred thousand. Type variables stand for
// types that hold others, and what they spell out may double as well.
inline constexpr uint64_t kTypeStepsMax = 1'000'000;

// A regular expression. RE2 matches in linear time, but compiles counted
// repetitions to programs much larger than the pattern.
inline constexpr size_t kPatternBytesMax = 512;
inline constexpr int64_t kPatternMemoryMax = 1 << 20;

// Instructions of all compiled patterns of one expression, 16 bytes each: they
// are kept as long as the policy is.
inline constexpr int kProgramSizeMax = 16 * 1024;

// Steps of one evaluation: about one per node visited and one per 16 bytes
// looked at. A hundred thousand steps are a few milliseconds.
inline constexpr uint64_t kCostMax = 100'000;

// Values inside values, and messages inside messages, that a comparison or a
// conversion follows. Protobuf parses no deeper than 100, but an Any begins
// anew.
inline constexpr int kValueDepthMax = 128;

// Digits after the point that format() gives.
inline constexpr int kPrecisionMax = 100;

// What a trace shows of one value.
inline constexpr size_t kRenderedBytesMax = 256;

// How many sub-expressions a trace names.
inline constexpr size_t kFailuresMax = 8;

}  // namespace kms::cel

#endif  // POLICY_CEL_LIMITS_H_
