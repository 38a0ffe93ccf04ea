// Firmware event logs: what the events of matching registers mean.
//
// The digests of such a register and their order are certain; types and names
// are not. So each claim stands on digests: an event is a separator if its
// digest is a separator's; every event of a register of EFI images is an image
// unless it is text; a section's name must be what was measured.
//
// Sources: TCG PFP 1.05; systemd-stub(7), "TPM PCR Notes"; Linux,
// drivers/firmware/efi/libstub/efi-stub-helper.c; GRUB, commands/tpm.c.
// Thread-safe: a free function.
#ifndef POLICY_EVENT_LOG_CLAIMS_H_
#define POLICY_EVENT_LOG_CLAIMS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/format.h"
#include "proto/kms/v1/claims.pb.h"

namespace kms::event_log {

// REQUIRES: `log`, replayed in `log.banks[bank]`, which is of `algorithm`,
// gives the `signed_registers` named in `matched`.
// EVIDENCE_INCONSISTENT if a PCR of 0 to 7 has no separator, or the variable
// SecureBoot is there twice.
absl::StatusOr<v1::EventLogClaims> MakeClaims(
    const EventLog& log, Algorithm algorithm, size_t bank, Format format,
    const std::set<uint32_t>& matched,
    const std::map<uint32_t, std::string>& signed_registers);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_CLAIMS_H_
