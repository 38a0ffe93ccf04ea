// Which bytes of an event were measured: the text rules.
//
// An event's digest is what was extended; its data is the sender's word. Each
// rule below names the bytes that the measuring software hashes. Where their
// hash is the event's digest, those bytes - and nothing beside them - are as
// good as the register.
//
//   type                          hashed bytes                       source
//   EV_EFI_VARIABLE_DRIVER_CONFIG, the data: a whole UEFI variable   PFP 10.4.1
//   EV_EFI_VARIABLE_AUTHORITY,
//   EV_EFI_VARIABLE_BOOT, _BOOT2
//   EV_EFI_VARIABLE_BOOT           or the variable's data alone:     PFP 10.4.1
//                                  then its name is not measured
//   EV_IPL of GRUB                 what follows the prefix, with or  GRUB,
//                                  without its zero; the prefix is   tpm module
//                                  not measured
//   EV_IPL of systemd-stub         the section's name in ASCII with  systemd-
//                                  its zero; the data has UTF-16     stub(7)
//   EV_EVENT_TAG                   the tagged data, after id and     PFP 10.4.1
//                                  size
//   any other, and these too       the data
//
// Thread-safe: free functions.
#ifndef POLICY_EVENT_LOG_MEASURED_H_
#define POLICY_EVENT_LOG_MEASURED_H_

#include <optional>
#include <string>

#include "kms/base/bytes.h"
#include "policy/event_log/event_log.h"
#include "policy/event_log/uefi_variable.h"

namespace kms::event_log {

struct Measured {
  // What was hashed, as text: of a whole variable "<name>-<guid>", of a load
  // option its description. Empty if it is not text.
  std::string text;
  // Only where the whole variable was hashed, its name included.
  std::optional<UefiVariable> variable = std::nullopt;
  // Of a variable, whether or not its name was hashed. Aliases the event.
  std::optional<BytesView> value = std::nullopt;
  // The prefix says that this is the kernel's command line. The prefix is the
  // sender's word: see match.h for when it is believed.
  bool says_command_line = false;
};

// Nothing if no rule gives `event.digests[bank]`: then the event is a digest
// and no more. REQUIRES: CanReplay of the bank.
std::optional<Measured> FindMeasured(const Event& event, Algorithm algorithm,
                                     size_t bank);

// The label that an event bears, measured or not, for people to read: a
// variable's name, GRUB's prefix and file name, a section's name. Empty if
// there is none. Never to be believed.
std::string UnmeasuredLabel(const Event& event);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_MEASURED_H_
