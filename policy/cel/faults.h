// What the checker says of mistakes, with suggestions.
// Thread-safe: free functions.
#ifndef POLICY_CEL_FAULTS_H_
#define POLICY_CEL_FAULTS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "policy/cel/type.h"

namespace kms::cel {

std::string UnknownName(absl::string_view name,
                        const std::vector<std::string>& declared);
std::string UnknownField(const google::protobuf::Descriptor* message,
                         absl::string_view name);
std::string UnknownFunction(absl::string_view name);

// `args` hold no type variables.
std::string NoOverload(absl::string_view function,
                       const std::vector<Type>& args);

}  // namespace kms::cel

#endif  // POLICY_CEL_FAULTS_H_
