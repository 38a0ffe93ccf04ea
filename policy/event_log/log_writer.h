// Writes firmware event logs, for simulators and tests.
// Thread-compatible.
#ifndef POLICY_EVENT_LOG_LOG_WRITER_H_
#define POLICY_EVENT_LOG_LOG_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "policy/event_log/event_log.h"

namespace kms::event_log {

// 16 bytes of EV_NO_ACTION data that state a startup locality, and the
// locality.
std::string StartupLocalityData(uint8_t locality);

// UEFI_VARIABLE_DATA. `guid` is 16 bytes as they stand in memory; `name` is
// ASCII.
std::string VariableData(absl::string_view guid, absl::string_view name,
                         absl::string_view data);

// `text`, which is ASCII, in UTF-16LE with a terminating zero.
std::string Utf16Data(absl::string_view text);

class LogWriter {
 public:
  // A crypto-agile log with digests of these algorithms in each event.
  explicit LogWriter(std::vector<Algorithm> algorithms);

  // An event that measures `data`, and carries it.
  LogWriter& Add(uint32_t index, uint32_t type, absl::string_view data) {
    return Add(index, type, data, data);
  }
  // An event that measures `hashed`, and carries `data`.
  LogWriter& Add(uint32_t index, uint32_t type, absl::string_view hashed,
                 absl::string_view data);
  // An event that is not measured: its digests are zero.
  LogWriter& AddNoAction(uint32_t index, absl::string_view data);
  // `event`, whose digests are of this log's algorithms in their order.
  LogWriter& Add(const Event& event);

  const std::string& bytes() const { return bytes_; }

 private:
  const std::vector<Algorithm> algorithms_;
  std::string bytes_;
};

}  // namespace kms::event_log

#endif  // POLICY_EVENT_LOG_LOG_WRITER_H_
