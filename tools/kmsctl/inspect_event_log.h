// A picture of a firmware event log: the registers that it leads to, and its
// events.
// Thread-safe: free functions. Trusts and proves nothing: no hardware has
// spoken.
#ifndef TOOLS_KMSCTL_INSPECT_EVENT_LOG_H_
#define TOOLS_KMSCTL_INSPECT_EVENT_LOG_H_

#include <nlohmann/json.hpp>
#include <string>

#include "policy/event_log/event_log.h"
#include "proto/kms/v1/evidence.pb.h"

namespace kms::kmsctl {

// {"registers": {"sha384": {"1": "<hex>"}}, "events": [...]}, with registers of
// every bank that we can replay. An event has "text" only where that is what
// was measured; "unmeasured_label" is the log author's word.
nlohmann::ordered_json EventLogJson(const event_log::EventLog& log);

// The same as lines of text, each for one line of a terminal.
std::string EventLogText(const event_log::EventLog& log);

// EventLogText of the file event_log, if there is one, or why it does not
// parse.
void ShowEventLog(const v1::Evidence& evidence, std::string& out);

}  // namespace kms::kmsctl

#endif  // TOOLS_KMSCTL_INSPECT_EVENT_LOG_H_
