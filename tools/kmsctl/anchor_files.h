// tools/client/anchor_files.h under the name that kmsctl uses.
#ifndef TOOLS_KMSCTL_ANCHOR_FILES_H_
#define TOOLS_KMSCTL_ANCHOR_FILES_H_

#include "tools/client/anchor_files.h"

namespace kms::kmsctl {

using client::LoadAnchors;

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_ANCHOR_FILES_H_
