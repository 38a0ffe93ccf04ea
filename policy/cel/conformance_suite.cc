#include "policy/cel/conformance_suite.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/text_format.h"
#include "kms/base/status.h"
#include "policy/cel/conformance_values.h"

namespace kms::cel {
namespace {

namespace fs = std::filesystem;

constexpr char kCompiler[] = "/usr/bin/protoc";
constexpr char kNotBound[] = "variable has no value";
constexpr char kBoundError[] = "variable is bound to an error";

absl::StatusOr<std::vector<std::string>> ProtoFiles(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".proto") {
      // By name alone: a build's sandbox holds links.
      files.push_back(it->path().lexically_relative(folder).string());
    }
  }
  if (error || files.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("protos: nothing to read in ", folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What `args`, a command line, writes to its standard output.
absl::StatusOr<std::string> OutputOf(std::vector<std::string> args) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::FailedPreconditionError("protos: no pipe");
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (std::string& arg : args) argv.push_back(arg.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int spawned =
      posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  char buffer[4096];
  ssize_t got = 0;
  while (spawned == 0 && (got = read(ends[0], buffer, sizeof(buffer))) > 0) {
    output.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  if (spawned != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("protos: ", args[0], " failed"));
  }
  return output;
}

// A test's own overloads are checked and never called.
void AddFunctions(const std::string& name, const MessageView& function,
                  Environment& environment) {
  for (const MessageView& row : function.All("overloads")) {
    Overload overload;
    overload.name = name;
    overload.member = row.Bool("is_instance_function");
    for (const MessageView& param : row.All("params")) {
      overload.args.push_back(TypeFromProto(environment.schema(), param));
    }
    overload.result =
        TypeFromProto(environment.schema(), row.Get("result_type"));
    environment.AddFunction(std::move(overload));
  }
}

// The values of the environment's variables, in order. They live as long as
// the test and the context.
std::vector<Value> Variables(Context& context, const MessageView& test,
                             const Environment& environment) {
  std::vector<Value> values(environment.variable_count(),
                            Value::OfError(kNotBound));
  for (const MessageView& binding : test.All("bindings")) {
    const auto found = environment.Find("." + binding.Text("key"));
    if (!found.has_value() || found->variable == nullptr) continue;
    Value& value = values[found->variable->slot];
    const MessageView bound = binding.Get("value");
    const std::string kind = bound.Which("kind");
    if (kind == "unknown") {
      value = Value::OfError(kUnknownValue);
    } else if (kind == "error") {
      value = Value::OfError(kBoundError);
    } else if (ValueFromProto(context, bound.Get("value"), &value) != nullptr) {
      value = Value::OfError(kBoundError);
    }
  }
  return values;
}

bool WantsError(const std::string& matcher) {
  return matcher == "eval_error" || matcher == "any_eval_errors";
}
bool WantsUnknown(const std::string& matcher) {
  return matcher == "unknown" || matcher == "any_unknowns";
}

}  // namespace

absl::StatusOr<std::unique_ptr<ConformanceSuite>> ConformanceSuite::Load(
    const std::string& protos) {
  KMS_ASSIGN_OR_RETURN(const std::vector<std::string> files,
                       ProtoFiles(protos));
  std::vector<std::string> args = {kCompiler, "--proto_path=" + protos,
                                   "--include_imports",
                                   "--descriptor_set_out=/dev/stdout"};
  args.insert(args.end(), files.begin(), files.end());
  KMS_ASSIGN_OR_RETURN(const std::string compiled, OutputOf(std::move(args)));
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromString(compiled)) {
    return absl::FailedPreconditionError("protos: unreadable descriptors");
  }
  auto suite = std::unique_ptr<ConformanceSuite>(new ConformanceSuite());
  for (const auto& file : set.file()) {
    if (suite->pool_.BuildFile(file) == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("protos: ", file.name(), " does not link"));
    }
  }
  return suite;
}

absl::Status ConformanceSuite::Run(const std::string& path,
                                   Tally& tally) const {
  const auto* type =
      pool_.FindMessageTypeByName("cel.expr.conformance.test.SimpleTestFile");
  if (type == nullptr) {
    return absl::InvalidArgumentError("protos: no SimpleTestFile");
  }
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)),
                         std::istreambuf_iterator<char>());
  std::unique_ptr<google::protobuf::Message> message(
      factory_.GetPrototype(type)->New());
  if (!in ||
      !google::protobuf::TextFormat::ParseFromString(text, message.get())) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a file of tests"));
  }
  const MessageView file(*message);
  for (const MessageView& section : file.All("section")) {
    for (const MessageView& view : section.All("test")) {
      const Test test{section.Text("name"), view};
      const std::string wrong = RunTest(test);
      if (wrong.empty()) {
        ++tally.passed;
      } else {
        tally.failures.push_back(absl::StrCat(file.Text("name"), "/",
                                              test.section, "/",
                                              view.Text("name"), ": ", wrong));
      }
    }
  }
  return absl::OkStatus();
}

Environment ConformanceSuite::MakeEnvironment(const Test& test) const {
  Environment environment(test.view.Text("container"));
  environment.schema().AddPool(&pool_);
  // The suite holds two semantics of enums, apart by section.
  environment.schema().set_strong_enums(
      absl::StartsWith(test.section, "strong"));
  environment.parse_options().macros = !test.view.Bool("disable_macros");
  environment.parse_options().block_macros = true;
  environment.set_checked(!test.view.Bool("disable_check"));
  environment.set_literals_checked(false);
  for (const MessageView& decl : test.view.All("type_env")) {
    if (decl.Has("function")) {
      AddFunctions(decl.Text("name"), decl.Get("function"), environment);
    } else {
      environment.AddVariable(
          decl.Text("name"),
          TypeFromProto(environment.schema(), decl.Get("ident").Get("type")));
    }
  }
  for (const MessageView& binding : test.view.All("bindings")) {
    const auto found = environment.Find("." + binding.Text("key"));
    if (!found.has_value() || found->variable == nullptr) {
      environment.AddVariable(binding.Text("key"), Type());
    }
  }
  return environment;
}

std::string ConformanceSuite::RunTest(const Test& test) const {
  const Environment environment = MakeEnvironment(test);
  const std::string source = test.view.Text("expr");
  Issue issue;
  const auto program = Program::Compile(source, environment, Type(), issue);
  if (!program.has_value()) {
    return WantsError(test.view.Which("result_matcher"))
               ? ""
               : Describe(source, issue.offset(), issue.text());
  }
  if (test.view.Has("typed_result") &&
      test.view.Get("typed_result").Has("deduced_type")) {
    const Type want =
        TypeFromProto(environment.schema(),
                      test.view.Get("typed_result").Get("deduced_type"));
    if (program->type() != want) {
      return absl::StrCat("type is ", program->type().Name(), ", want ",
                          want.Name());
    }
  }
  return test.view.Bool("check_only") ? "" : Judge(test, *program, environment);
}

std::string ConformanceSuite::Judge(const Test& test, const Program& program,
                                    const Environment& environment) const {
  google::protobuf::Arena arena;
  Context context(arena, environment.schema(), kCostMax);
  const std::vector<Value> variables =
      Variables(context, test.view, environment);
  const Outcome outcome = program.Evaluate(variables, {}, arena);
  const std::string matcher = test.view.Which("result_matcher");
  const bool unknown = outcome.error == kUnknownValue;
  const bool error = outcome.error != nullptr && !unknown;
  const std::string got =
      outcome.error != nullptr ? outcome.error : Render(outcome.value);
  if (WantsError(matcher)) {
    return error ? "" : absl::StrCat("is ", got, ", want an error");
  }
  if (WantsUnknown(matcher)) {
    return unknown ? "" : absl::StrCat("is ", got, ", want unknown");
  }
  if (outcome.error != nullptr) return absl::StrCat("error: ", got);
  Value want = Value::Bool(true);
  if (!matcher.empty()) {
    const MessageView value = matcher == "typed_result"
                                  ? test.view.Get(matcher).Get("result")
                                  : test.view.Get(matcher);
    if (const Error bad = ValueFromProto(context, value, &want)) {
      return absl::StrCat("test's value: ", bad);
    }
  }
  if (IsSame(context, outcome.value, want)) return "";
  return absl::StrCat("is ", TypeName(outcome.value), " ", got, ", want ",
                      TypeName(want), " ", Render(want));
}

}  // namespace kms::cel
