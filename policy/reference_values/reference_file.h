// What a file of Reference Values says, whichever format it came in.
// Thread-compatible value.
#ifndef POLICY_REFERENCE_VALUES_REFERENCE_FILE_H_
#define POLICY_REFERENCE_VALUES_REFERENCE_FILE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace kms::reference_values {

struct ReferenceFile {
  std::string title;  // For people: printable ASCII, or empty.
  // Ascending, each once; 1 to kValuesMax, of 1 to kValueBytesMax bytes.
  std::vector<std::string> values;
  // [valid_from, valid_until), in whole seconds; from 1970 on.
  std::optional<absl::Time> valid_from;
  std::optional<absl::Time> valid_until;
  std::optional<absl::Time> signed_at;  // As its signer says.
};

}  // namespace kms::reference_values

#endif  // POLICY_REFERENCE_VALUES_REFERENCE_FILE_H_
