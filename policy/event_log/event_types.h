// Names of the types of events.
// Source: TCG PC Client Platform Firmware Profile 1.06, "Event Types".
// Thread-safe: a free function.
#ifndef POLICY_EVENT_LOG_EVENT_TYPES_H_
#define POLICY_EVENT_LOG_EVENT_TYPES_H_

#include <cstdint>
#include <string>

namespace kms::event_log {

// Those that we treat apart. EV_NO_ACTION is never measured.
inline constexpr uint32_t kEvNoAction = 0x00000003;
inline constexpr uint32_t kEvSeparator = 0x00000004;
inline constexpr uint32_t kEvEventTag = 0x00000006;
inline constexpr uint32_t kEvIpl = 0x0000000d;
inline constexpr uint32_t kEvEfiVariableDriverConfig = 0x80000001;
inline constexpr uint32_t kEvEfiVariableBoot = 0x80000002;
inline constexpr uint32_t kEvEfiBootServicesApplication = 0x80000003;
inline constexpr uint32_t kEvEfiVariableBoot2 = 0x8000000c;
inline constexpr uint32_t kEvEfiVariableAuthority = 0x800000e0;

// "EV_EFI_VARIABLE_BOOT"; "0x8000ffff" for a type without a name.
std::string EventTypeName(uint32_t type);

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_EVENT_TYPES_H_
