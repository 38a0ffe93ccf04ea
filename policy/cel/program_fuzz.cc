// Source text against fixed variables, through checker, evaluator and tracer.
// A strict evaluation is true only where the lenient one is, and what it costs
// is the same each time.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "policy/cel/program.h"
#include "proto/kms/v1/claims.pb.h"

namespace {

using namespace kms::cel;  // NOLINT: a fuzz target's single file.

struct World {
  World() : environment("kms.v1") {
    environment.AddVariable("claims",
                            Type::Message(kms::v1::Claims::descriptor()));
    environment.AddVariable("now", Type::Kind::kTimestamp);
    environment.AddVariable("reference.images", Type::List(Type::Kind::kBytes));
    environment.AddEnum(kms::v1::EvidenceType_descriptor());
    claims.mutable_cpu()->set_measurement("abc");
    claims.mutable_cpu()->set_product("milan");
    claims.mutable_cpu()->mutable_snp()->set_guest_svn(3);
    images = {Value::Bytes("abc"), Value::Bytes("")};
    variables = {Value::OfMessage(claims),
                 Value::Timestamp(absl::FromUnixSeconds(1'700'000'000)),
                 Value::List(images)};
  }
  Environment environment;
  kms::v1::Claims claims;
  std::vector<Value> images;
  std::vector<Value> variables;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const World& world = *new World();
  const absl::string_view source(reinterpret_cast<const char*>(data), size);
  Issue issue;
  const auto program =
      Program::Compile(source, world.environment, Type(), issue);
  if (program.has_value() == issue.raised()) std::abort();
  if (issue.raised() && issue.offset() > size) std::abort();
  if (!program.has_value()) return 0;
  google::protobuf::Arena arena;
  EvaluateOptions strict;
  strict.strict = true;
  strict.cost_limit = 10'000;
  EvaluateOptions lenient;
  lenient.cost_limit = 10'000;
  const Outcome first = program->Evaluate(world.variables, strict, arena);
  const Outcome again = program->Evaluate(world.variables, strict, arena);
  const Outcome loose = program->Evaluate(world.variables, lenient, arena);
  if (first.cost != again.cost || first.error != again.error) std::abort();
  if (first.error == nullptr && loose.error != nullptr) std::abort();
  if (first.IsTrue() && !loose.IsTrue()) std::abort();
  if (first.error == nullptr) Render(first.value);
  for (const Failure& failure : program->Explain(world.variables, strict)) {
    if (failure.span.end > size) std::abort();
  }
  return 0;
}
