// Values as text for people.
// Thread-safe: a free function.
#ifndef POLICY_CEL_RENDER_H_
#define POLICY_CEL_RENDER_H_

#include <string>

#include "policy/cel/value.h"

namespace kms::cel {

// Binary as lowercase hex, at most kRenderedBytesMax bytes.
std::string Render(const Value& value);

}  // namespace kms::cel

#endif  // POLICY_CEL_RENDER_H_
