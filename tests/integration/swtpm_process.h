// A real TPM 2.0 in software (Debian's swtpm: libtpms, TCG's own reference
// code) with its state in a folder, and tpm2-tools that talk to it. For tests.
// Thread-compatible.
#ifndef TESTS_INTEGRATION_SWTPM_PROCESS_H_
#define TESTS_INTEGRATION_SWTPM_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace kms::testing {

class SwtpmProcess {
 public:
  // `folder`: a fresh one with a short path (a socket's is at most 107 bytes).
  // Returns once the TPM takes connections.
  static absl::StatusOr<std::unique_ptr<SwtpmProcess>> Start(
      const std::string& folder);
  ~SwtpmProcess();  // Kills it.

  // Runs shell commands with tpm2-tools speaking to this TPM, in its folder;
  // the first that fails ends them. The TPM's transient memory is emptied
  // after each line: it has no resource manager.
  absl::Status Run(const std::string& lines) const;

  // "export ...": what a shell needs for tpm2-tools to speak to this TPM.
  std::string environment() const;
  std::string path(const std::string& name) const {
    return folder_ + "/" + name;
  }

 private:
  explicit SwtpmProcess(std::string folder) : folder_(std::move(folder)) {}

  const std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace kms::testing

#endif  // TESTS_INTEGRATION_SWTPM_PROCESS_H_
