// kms/attester/bundle_file.h under the name that tools use.
#ifndef TOOLS_CLIENT_BUNDLE_H_
#define TOOLS_CLIENT_BUNDLE_H_

#include "kms/attester/bundle_file.h"

namespace kms::client {

using attester::Bundle;
using attester::ReadBundle;

}  // namespace kms::client

#endif  // TOOLS_CLIENT_BUNDLE_H_
