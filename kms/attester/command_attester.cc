#include "kms/attester/command_attester.h"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "kms/attester/bundle_file.h"
#include "kms/attester/subprocess.h"
#include "kms/base/file.h"
#include "kms/base/status.h"
#include "kms/release/transcript.h"

namespace kms::attester {

absl::StatusOr<v1::EvidenceBundle> CommandAttester::Attest(
    BytesView report_data) {
  std::string folder =
      absl::StrCat(scratch_, "/kms-attester.", std::string(6, 'X'));
  if (mkdtemp(folder.data()) == nullptr) {  // Mode 0700.
    return ErrnoError("make a folder in", scratch_);
  }
  const auto remove = absl::MakeCleanup([&folder] {
    std::error_code ignored;  // A leftover folder of public bytes is no harm.
    std::filesystem::remove_all(folder, ignored);
  });
  KMS_RETURN_IF_ERROR(RunProgram(
      {program_, Hex(report_data), folder, Hex(release::GpuNonce(report_data))},
      timeout_));
  KMS_ASSIGN_OR_RETURN(Bundle bundle, ReadBundle(folder + "/bundle.json"));
  // The program may say what it bound; if it does, it must be what we asked.
  if (bundle.index.report_data.has_value() &&
      AsBytes(*bundle.index.report_data) != report_data) {
    return absl::FailedPreconditionError(
        "attester: its bundle is for other report data");
  }
  return std::move(bundle.evidence);
}

std::string DefaultScratch() {
  for (const char* folder : {"/run", "/dev/shm"}) {
    if (access(folder, W_OK | X_OK) == 0) return folder;
  }
  return "/tmp";
}

}  // namespace kms::attester
