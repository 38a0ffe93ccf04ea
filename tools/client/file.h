// kms/base/file.h under the name that tools use.
#ifndef TOOLS_CLIENT_FILE_H_
#define TOOLS_CLIENT_FILE_H_

#include "kms/base/file.h"

namespace kms::client {

using kms::ErrnoError;
using kms::Fd;
using kms::ReadFile;
using kms::WriteAll;
using kms::WriteFile;

}  // namespace kms::client

#endif  // TOOLS_CLIENT_FILE_H_
