// How a program of ours ends: what a failed status means for its caller, as an
// exit code, one line that names the cause, and one that says what to do.
// Thread-safe: free functions.
#ifndef TOOLS_CLIENT_OUTCOME_H_
#define TOOLS_CLIENT_OUTCOME_H_

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace kms::client {

// The same for every program here; scripts depend on them.
enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,       // Unexpected: a file, a bug, a server's bug.
  kUsage = 2,        // The command line or configuration is wrong.
  kRefused = 3,      // Judged, and the answer is no; the code is printed.
  kUnavailable = 4,  // Not reached, sealed or busy: the same call may succeed.
  kIntegrity = 5,    // A proof, signature or receipt does not verify.
};

// The command line or configuration is wrong: kInvalidArgument.
absl::Status UsageError(absl::string_view message);

// Something that should have been authentic is not: kUnauthenticated. Never
// to be confused with a service that refused.
absl::Status IntegrityError(absl::string_view message);

// `status` as an IntegrityError, its message kept; OK stays OK.
absl::Status AsIntegrityError(const absl::Status& status);

// `status` marked as a judgement (the service's, or a verifier's run here), so
// that it exits 3 or 4 with its refusal code; OK stays OK.
absl::Status AsRefusal(const absl::Status& status);
bool IsRefusal(const absl::Status& status);

// `status` with its own next step, a sentence; OK stays OK.
absl::Status WithNextStep(absl::Status status, absl::string_view sentence);

ExitCode ExitCodeOf(const absl::Status& status);

// "TCB_MISMATCH", "UNAVAILABLE", "USAGE", "INTEGRITY": the refusal code if
// there is one, else the nearest word.
std::string CodeName(const absl::Status& status);

// One sentence: what the person who ran the program can do about it.
std::string NextStep(const absl::Status& status);

// "`program`: CODE: reason" and "next: ...". Nothing for OK.
void PrintFailure(absl::string_view program, const absl::Status& status,
                  std::ostream& err);

}  // namespace kms::client

#endif  // TOOLS_CLIENT_OUTCOME_H_
