// UEFI variables and load options as events carry them, and text in UTF-16.
//
// Source: TCG PFP 1.05, section 10.2.6, UEFI_VARIABLE_DATA:
//
//   variable = guid 16 | name length u64 | data length u64 |
//              name u16[name length] | data u8[data length]
//
// UEFI 2.10, section 3.1.3, EFI_LOAD_OPTION:
//
//   option   = attributes u32 | paths u16 | description u16* 0 | ...
//
// All little-endian. Thread-safe: free functions.
#ifndef POLICY_EVENT_LOG_UEFI_VARIABLE_H_
#define POLICY_EVENT_LOG_UEFI_VARIABLE_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "kms/base/bytes.h"

namespace kms::event_log {

// "8be4df61-93ca-11d2-aa0d-00e098032b8c": EFI_GLOBAL_VARIABLE.
inline constexpr absl::string_view kEfiGlobalVariable =
    "8be4df61-93ca-11d2-aa0d-00e098032b8c";

struct UefiVariable {
  std::string guid;  // Text form, lowercase.
  std::string name;  // UTF-8.
  BytesView data;    // Aliases the input.
};

// Nothing unless `bytes` is exactly one variable with a printable name.
std::optional<UefiVariable> ParseUefiVariable(BytesView bytes);

// The description of a load option, the content of a Boot#### variable.
std::optional<std::string> LoadOptionDescription(BytesView bytes);

// `bytes` as text without its one terminating zero, or nothing if it is empty
// or not text: UTF-8 here, UTF-16LE below. Tabs and line ends are the only
// control characters of text.
std::optional<std::string> Utf8Text(BytesView bytes);
std::optional<std::string> Utf16Text(BytesView bytes);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_UEFI_VARIABLE_H_
