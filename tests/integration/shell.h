// Programs and files, as tests of processes need them.
// Thread-safe: free functions.
#ifndef TESTS_INTEGRATION_SHELL_H_
#define TESTS_INTEGRATION_SHELL_H_

#include <string>

namespace kms::testing {

struct CommandResult {
  int exit_code = -1;  // -1: it did not exit by itself.
  std::string output;  // Both outputs, as they came.
};

// Runs `script` in a shell, to its end.
CommandResult RunShell(const std::string& script);

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& contents);
void WriteProgram(const std::string& path, const std::string& script);
// A fresh one, only this user's; removed by whoever made it.
std::string MakeFolder();

}  // namespace kms::testing

#endif  // TESTS_INTEGRATION_SHELL_H_
