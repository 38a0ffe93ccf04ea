// Source text against fixed variables, through checker, evaluator and tracer.
// A strict evaluation is true only where the lenient one is, and what it costs
// is the same each time. Unchecked, with every macro, nothing crashes either.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "google/protobuf/any.pb.h"
#include "google/protobuf/struct.pb.h"
#include "policy/cel/program.h"
#include "proto/kms/v1/claims.pb.h"

namespace {

using namespace kms::cel;  // NOLINT: a fuzz target's single file.

struct World {
  World() : checked("kms.v1"), unchecked("kms.v1") {
    for (Environment* environment : {&checked, &unchecked}) {
      environment->AddVariable("claims",
                               Type::Message(kms::v1::Claims::descriptor()));
      environment->AddVariable("now", Type::Kind::kTimestamp);
      environment->AddVariable("reference.images",
                               Type::List(Type::Kind::kBytes));
      environment->AddVariable("any", Type());
      environment->AddEnum(kms::v1::EvidenceType_descriptor());
    }
    unchecked.set_checked(false);
    unchecked.set_literals_checked(false);
    unchecked.parse_options().block_macros = true;
    claims.mutable_cpu()->set_measurement("abc");
    claims.mutable_cpu()->set_product("milan");
    claims.mutable_cpu()->mutable_snp()->set_guest_svn(3);
    json.mutable_struct_value()->mutable_fields()->insert(
        {"a", google::protobuf::Value()});
    any.PackFrom(json);
    images = {Value::Bytes("abc"), Value::Bytes("")};
    variables = {Value::OfMessage(claims),
                 Value::Timestamp(absl::FromUnixSeconds(1'700'000'000)),
                 Value::List(images), Value::OfMessage(any)};
  }
  Environment checked;
  Environment unchecked;
  kms::v1::Claims claims;
  google::protobuf::Value json;
  google::protobuf::Any any;
  std::vector<Value> images;
  std::vector<Value> variables;
};

EvaluateOptions Options(bool strict) {
  EvaluateOptions options;
  options.strict = strict;
  options.cost_limit = 10'000;
  return options;
}

void RunChecked(const World& world, absl::string_view source) {
  Issue issue;
  const auto program = Program::Compile(source, world.checked, Type(), issue);
  if (program.has_value() == issue.raised()) std::abort();
  if (issue.raised() && issue.offset() > source.size()) std::abort();
  if (!program.has_value()) return;
  google::protobuf::Arena arena;
  const EvaluateOptions strict = Options(true);
  const Outcome first = program->Evaluate(world.variables, strict, arena);
  const Outcome again = program->Evaluate(world.variables, strict, arena);
  const Outcome loose =
      program->Evaluate(world.variables, Options(false), arena);
  if (first.cost != again.cost || first.error != again.error) std::abort();
  if (first.error == nullptr && loose.error != nullptr) std::abort();
  if (first.IsTrue() && !loose.IsTrue()) std::abort();
  if (first.error == nullptr) Render(first.value);
  for (const Failure& failure : program->Explain(world.variables, strict)) {
    if (failure.span.end > source.size()) std::abort();
  }
}

void RunUnchecked(const World& world, absl::string_view source) {
  Issue issue;
  const auto program = Program::Compile(source, world.unchecked, Type(), issue);
  if (program.has_value() == issue.raised()) std::abort();
  if (!program.has_value()) return;
  google::protobuf::Arena arena;
  const EvaluateOptions options = Options(false);
  const Outcome first = program->Evaluate(world.variables, options, arena);
  const Outcome again = program->Evaluate(world.variables, options, arena);
  if (first.cost != again.cost || first.error != again.error) std::abort();
  if (first.error == nullptr) Render(first.value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const World& world = *new World();
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  RunChecked(world, source);
  RunUnchecked(world, source);
  return 0;
}
