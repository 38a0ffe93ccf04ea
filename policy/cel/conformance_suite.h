// Runs the language's conformance tests: files of the specification's suite in
// protobuf's text format (cel-spec, tests/simple), with the proto definitions
// they use, which are read at run time.
// Thread-compatible.
#ifndef POLICY_CEL_CONFORMANCE_SUITE_H_
#define POLICY_CEL_CONFORMANCE_SUITE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/dynamic_message.h"
#include "policy/cel/message_view.h"
#include "policy/cel/program.h"

namespace kms::cel {

struct Tally {
  int passed = 0;
  int skipped = 0;
  // "file/section/test: what was wrong" of each test that failed.
  std::vector<std::string> failures;
};

class ConformanceSuite {
 public:
  // `protos` is the folder that holds cel/expr/*.proto and the tests' protos.
  // kFailedPrecondition: they do not compile, or the compiler is missing.
  static absl::StatusOr<std::unique_ptr<ConformanceSuite>> Load(
      const std::string& protos);

  // Runs all tests of the file at `path` and adds to `tally`.
  // kInvalidArgument: it cannot be read as a test file.
  absl::Status Run(const std::string& path, Tally& tally) const;

 private:
  struct Test {
    std::string section;
    MessageView view;
  };

  ConformanceSuite() = default;
  // "" if the test passes.
  std::string RunTest(const Test& test) const;
  Environment MakeEnvironment(const Test& test) const;
  std::string Judge(const Test& test, const Program& program,
                    const Environment& environment) const;

  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_{&pool_};
};

}  // namespace kms::cel

#endif  // POLICY_CEL_CONFORMANCE_SUITE_H_
