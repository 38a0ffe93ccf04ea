#include "tests/integration/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace kms::testing {

CommandResult RunShell(const std::string& script) {
  CommandResult result;
  FILE* pipe = popen(absl::StrCat("{ ", script, "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof(buffer), pipe)) {
    result.output.append(buffer, size);
  }
  const int state = pclose(pipe);
  if (WIFEXITED(state)) result.exit_code = WEXITSTATUS(state);
  return result;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

void WriteProgram(const std::string& path, const std::string& script) {
  WriteFile(path, absl::StrCat("#!/bin/sh\nset -e\n", script));
  chmod(path.c_str(), 0700);
}

std::string MakeFolder() {
  std::string folder = "/tmp/kms_test.XXXXXX";
  return mkdtemp(folder.data()) == nullptr ? "" : folder;
}

}  // namespace kms::testing
