// What the process does to itself before it holds a key: nobody reads its
// memory through a debugger or a core dump, files it makes are its own, and it
// knows early whether secrets can be locked into RAM.
// Source: threats.md, section 1, "Host root on a KMS node".
// Called once, by main, before any thread is started.
// Honest limit: a hostile kernel or root with CAP_SYS_PTRACE still reads it.
#ifndef KMS_SERVER_HARDENING_H_
#define KMS_SERVER_HARDENING_H_

#include <cstddef>

#include "absl/status/status.h"

namespace kms::server {

// Locked memory for the keyring, key material in flight and HPKE.
inline constexpr size_t kLockedBytesMin = size_t{1} << 20;

// No dumps, no ptrace by the same user, umask 077, SIGPIPE ignored.
// kUnavailable: the kernel refused one of them.
absl::Status HardenProcess();

// kFailedPrecondition: RLIMIT_MEMLOCK is under kLockedBytesMin and the process
// may not exceed it; says what to set.
absl::Status CheckLockedMemory();

}  // namespace kms::server

#endif  // KMS_SERVER_HARDENING_H_
