// What kmsctl's exit status means; scripts depend on it.
#ifndef TOOLS_KMSCTL_EXIT_CODES_H_
#define TOOLS_KMSCTL_EXIT_CODES_H_

namespace kms::kmsctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitUsage = 2;    // Flags, or a file we cannot read.
inline constexpr int kExitRefused = 3;  // A refusal, with its code printed.

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_EXIT_CODES_H_
