// conformance --protos DIR FILE.textproto...
//
// Runs files of the language's conformance suite. Prints each test that fails,
// then "N passed, N failed, N skipped". Exits with 0 if none failed, 1 if some
// did, 2 if a file or the protos cannot be read.
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "policy/cel/conformance_suite.h"

int main(int argc, char** argv) {
  CLI::App app("conformance: the CEL specification's own tests");
  std::string protos;
  std::vector<std::string> files;
  app.add_option("--protos", protos, "Folder of the proto definitions")
      ->required();
  app.add_option("files", files, "Tests in protobuf's text format")->required();
  CLI11_PARSE(app, argc, argv);

  const auto suite = kms::cel::ConformanceSuite::Load(protos);
  if (!suite.ok()) {
    std::fprintf(stderr, "%s\n", suite.status().ToString().c_str());
    return 2;
  }
  kms::cel::Tally tally;
  bool unread = false;
  for (const std::string& file : files) {
    const absl::Status status = (*suite)->Run(file, tally);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    unread = true;
  }
  for (const std::string& failure : tally.failures) {
    std::printf("FAILED %s\n", failure.c_str());
  }
  std::printf("%d passed, %zu failed, %d skipped\n", tally.passed,
              tally.failures.size(), tally.skipped);
  return unread ? 2 : tally.failures.empty() ? 0 : 1;
}
