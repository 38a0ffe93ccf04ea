// Decimal text to doubles, exactly and in no locale.
// Thread-safe: a free function.
#ifndef POLICY_CEL_NUMBERS_H_
#define POLICY_CEL_NUMBERS_H_

#include "absl/strings/string_view.h"

namespace kms::cel {

// The double nearest to the whole of `text`; what is too small to hold is 0,
// what is too large is refused. Takes "inf" and "nan" too.
bool ParseDouble(absl::string_view text, double* out);

}  // namespace kms::cel

#endif  // POLICY_CEL_NUMBERS_H_
