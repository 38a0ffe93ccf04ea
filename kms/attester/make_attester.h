// The Attester that a configuration names: kmsd's and kms-agent's use the same
// words for it.
// Thread-safe: free functions.
#ifndef KMS_ATTESTER_MAKE_ATTESTER_H_
#define KMS_ATTESTER_MAKE_ATTESTER_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "kms/attester/attester.h"

namespace kms::attester {

// At most one of the first two.
struct AttesterOptions {
  std::string built_in;  // `attester`: "sev-snp" or "tdx", by the kernel.
  std::string command;   // `attester_command`: a program's absolute path.
  absl::Duration timeout = absl::Seconds(30);  // `attester_timeout`: its.
};

bool IsBuiltIn(absl::string_view name);

// Null if none is named.
// REQUIRES: built_in is empty or IsBuiltIn.
std::unique_ptr<Attester> MakeAttester(const AttesterOptions& options);

}  // namespace kms::attester

#endif  // KMS_ATTESTER_MAKE_ATTESTER_H_
